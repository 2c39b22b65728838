#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the benchmarks of build/release one after the other, and the peers that are built after the
# program whose question they answer too; then writes one file of all figures and a report.
# docs/benchmarks.md has the forms. `./dev bench` builds, and calls this.
set -euo pipefail
cd "${BASH_SOURCE%/*}/.."

bin=build/release/bin
out=build/bench
peers=build/peers/bin # PROGRAM-PEER

# The order; and what a visitor waits for, less than two minutes.
all=(hash crossing stream publish outgrow idle fairness paced engines bridge http apply lookup ingest memory grow
	clear recovery check)
quick=(apply lookup ingest memory)
corpus=' apply lookup ingest memory clear recovery check ' # those that read corpora
skipped=77 # what a program ends with that lacks something
seconds_most=900 # for one program: only what hangs takes as long

usage() {
	cat <<-END
	usage: ./dev bench [OPTION...] [PROGRAM...]

	  --quick         ${quick[*]} only, and less of each
	  --json          all figures as JSON on standard output, and nothing else
	  --against FILE  afterwards, ratios to a saved run: bench/baseline.json
	  --save          the run becomes bench/baseline.json, docs/results.md is made from it
	  --smoke         as little as shows that all of this works
	  --bin DIR       the programs ($bin)
	  --out DIR       everything is written there ($out)

	Programs: ${all[*]}
	Peers are run where they are built (bench/peers).
	END
}

say() {
	printf 'bench: %s\n' "$*" >&2
}

# What every program is given.
given=()
length=full
json=0
against=
save=0
programs=()
while (($#)); do
	case $1 in
	--quick | --smoke) length=${1#--} given=("$1") ;;
	--json) json=1 ;;
	--against) against=${2?--against FILE}; shift ;;
	--save) save=1 ;;
	--bin) bin=${2?--bin DIR}; shift ;;
	--out) out=${2?--out DIR}; shift ;;
	-h | --help) usage; exit ;;
	-*) usage >&2; exit 2 ;;
	*) programs+=("${1#bench-}") ;;
	esac
	shift
done
for program in "${programs[@]}"; do
	[[ -x $bin/bench-$program || -n $(compgen -G "$peers/$program-*") ]] ||
		{ say "there is no $bin/bench-$program"; exit 2; }
done
[[ -z $against || -r $against ]] || { say "$against cannot be read"; exit 2; }
if ((save)) && [[ $length != full || ${#programs[@]} != 0 ]]; then
	say "only a full run of all is saved"
	exit 2
fi
if ((!${#programs[@]})); then
	[[ $length == quick ]] && programs=("${quick[@]}") || programs=("${all[@]}")
fi
corpora=$out/corpora

parent=/dev/shm
[[ $out != "$parent"/* ]] || parent=$out
mkdir -p "$out/runs"
child=
trap '[[ -z $child ]] || { kill "$child"; wait "$child"; } || true' EXIT
trap 'exit 130' INT TERM HUP
[[ -z $against ]] || cp "$against" "$out/against.json" # it may be the last run
RDX_BENCH_REVISION=${RDX_BENCH_REVISION:-$(git describe --always --dirty 2>/dev/null || true)}
export RDX_BENCH_REVISION
rm -f "$out"/runs/*
failed=()
files=()

# run NAME COMMAND...: its figures in a file, its table in another one.
run() {
	local name=$1 file=$out/runs/$1.json begin=$SECONDS r=0
	shift
	say "$name"
	# waited for, so that a signal ends both at once
	timeout "$seconds_most" "$@" "--json=$file" --scratch "$parent" --corpora "$corpora" \
		"${given[@]}" >"$out/runs/$name.txt" &
	child=$!
	wait "$child" || r=$?
	child=
	if ((r == skipped)); then
		return # and it has said why
	elif ((r)); then
		say "$name failed"
		failed+=("$name")
	fi
	[[ ! -s $file ]] || files+=("$file")
	say "$name took $((SECONDS - begin)) s"
}

# The files as one: JSON needs no tool for that.
merge() {
	local file comma=
	printf '{"schema": 1, "date": "%s", "length": "%s", "revision": "%s", "seconds": %s,\n' \
		"$(date -u +%F)" "$length" "$RDX_BENCH_REVISION" "$SECONDS"
	printf '"programs": [\n'
	for file in "${files[@]}"; do
		printf '%s' "$comma"
		cat "$file"
		comma=,
	done
	printf ']}\n'
}

read -r load _ </proc/loadavg
((${load%.*} < 1)) || say "the load is $load: other programs disturb the figures"
SECONDS=0
for program in "${programs[@]}"; do
	[[ $corpus == *" $program "* && -x $bin/bench-corpus ]] || continue
	say "corpora"
	"$bin/bench-corpus" --corpora "$corpora" "${given[@]}" >&2
	break
done
for program in "${programs[@]}"; do
	[[ ! -x $bin/bench-$program ]] || run "$program" "$bin/bench-$program"
	for peer in "$peers/$program"-*; do
		[[ ! -x $peer ]] || run "${peer##*/}" "$peer"
	done
done
((${#files[@]} + ${#failed[@]})) || { say "nothing was measured"; exit; }
((${#files[@]})) || { say "failed: ${failed[*]}"; exit 1; }
merge >"$out/run.json"
((!save)) || cp "$out/run.json" bench/baseline.json
((!json)) || cat "$out/run.json"
if command -v python3 >/dev/null; then
	arguments=(--folder "$out/report")
	[[ -z $against ]] || arguments+=(--against "$out/against.json")
	((!save)) || arguments+=(--results docs)
	if ((json)); then
		python3 bench/report.py "$out/run.json" "${arguments[@]}" >&2
	else
		python3 bench/report.py "$out/run.json" "${arguments[@]}"
	fi
else
	((json)) || cat "$out"/runs/*.txt
	say "python3 is missing (Debian: python3): no report; figures are in $out/run.json"
fi
if ((${#failed[@]})); then
	say "failed: ${failed[*]}"
	exit 1
fi
