#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzing for long, and the record of it: docs/fuzzing.md. `./dev fuzz` builds first.
set -euo pipefail
cd "$(dirname "$0")/../.."

targets=(segment beside index lines numbers payload engine files body ask)
bin=build/clang/bin out=build/fuzz build=fuzz
seconds=60 runs=0 jobs=1 changing=0 short=0 coverage=0 slice=600

usage() {
	cat <<-'END'
	usage: ./dev fuzz [TARGET...] [--seconds N | --runs N] [-j N] [--changing] [--volume]
	       ./dev fuzz --coverage
	       ./dev fuzz --report

	Run targets under libFuzzer, all or those named, each for so many seconds (60) or until it
	has so many runs. What it finds is kept in build/fuzz/corpus/TARGET, what fails in
	build/fuzz/faults. --changing: another thread changes the bytes while they are read.
	--volume: programs without AddressSanitizer, which run two to four times as often.
	--coverage: which lines of the library the corpora reach, into the record.
	--report: add what ran to the record, tests/fuzz/record.json, and write the table of
	docs/fuzzing.md.
	END
}

wanted=()
while (($#)); do
	case $1 in
	--seconds) seconds=$2; shift ;;
	--runs) runs=$2; shift ;;
	-j) jobs=$2; shift ;;
	--bin) bin=$2; shift ;;
	--out) out=$2; shift ;;
	--changing) changing=1 ;;
	--volume) build=volume ;;
	--short) short=1 ;;
	--coverage) coverage=1 ;;
	--report) exec tests/fuzz/report.py --add "$out" ;;
	-h | --help) usage; exit ;;
	-*) usage >&2; exit 2 ;;
	*) wanted+=("$1") ;;
	esac
	shift
done
# what is not built is left out, unless it is named
if ! ((${#wanted[@]})); then
	for target in "${targets[@]}"; do
		[[ -x $bin/${build}_$target ]] && wanted+=("$target")
	done
fi

# Every input that was kept, once, in programs that count lines.
measure_coverage() {
	local target folder=$out/coverage
	cmake -S . -B build/coverage -G Ninja -DCMAKE_C_COMPILER=clang -DRDX_HOOKS=ON \
		-DCMAKE_BUILD_TYPE=RelWithDebInfo \
		"-DCMAKE_C_FLAGS=-O1 -fprofile-instr-generate -fcoverage-mapping" >/dev/null
	cmake --build build/coverage --target "${targets[@]/#/replay_}" >/dev/null
	rm -rf "$folder"
	mkdir -p "$folder"
	for target in "${targets[@]}"; do
		find "$out/corpus/$target" "$out/seeds/$target" -type f -print0 |
			LLVM_PROFILE_FILE=$folder/$target-%p.profraw \
				xargs -0 -n 500 "build/coverage/bin/replay_$target" --file
	done
	llvm-profdata-14 merge -o "$folder/all.profdata" "$folder"/*.profraw
	# shellcheck disable=SC2046 # an option each
	llvm-cov-14 export -summary-only -instr-profile "$folder/all.profdata" \
		$(printf -- '-object build/coverage/bin/replay_%s ' "${targets[@]}") \
		2>/dev/null >"$folder/all.json"
	tests/fuzz/report.py --coverage "$out" "$folder/all.json"
}
if ((coverage)); then
	measure_coverage
	exit
fi

export ASAN_OPTIONS=malloc_context_size=2:quarantine_size_mb=2:max_malloc_fill_size=0
export RDX_FUZZ_CHANGING=$changing

# How long inputs may be: the shorter, the more of them run.
declare -A longest=([numbers]=64 [files]=64)

# one_slice TARGET LOG ARGUMENTS...: libFuzzer for some minutes; it says what it did at its end.
one_slice() {
	local target=$1 log=$2 dictionary=tests/fuzz/$1.dict
	shift 2
	[[ ! -e $dictionary ]] || set -- "-dict=$dictionary" "$@"
	# not entropic: that costs more than most runs do, as do looks for leaks after each of them; who
	# leaks is seen when the slice ends
	if "$bin/${build}_$target" -entropic=0 -max_len="${longest[$target]:-256}" -timeout=1200 \
		-report_slow_units=1200 -rss_limit_mb=4096 -malloc_limit_mb=256 -detect_leaks="$short" -reload=$((jobs > 1)) \
		-artifact_prefix="$out/faults/$target-" -print_final_stats=1 "$@" \
		"$out/corpus/$target" "$out/seeds/$target" >"$log" 2>&1; then
		return
	fi
	grep -q 'run interrupted' "$log" && return
	grep -vE '^#|^"' "$log" | tail -60
	printf 'fuzz: %s failed: the input is in %s/faults; replay it with %s/replay_%s --file\n' \
		"$target" "$out" "$bin" "$target"
	return 1
}

# cpu_of FILE: milliseconds of a processor that what this shell started has had, in cpu_ms; by the file,
# since another process would ask for its own.
cpu_of() {
	times >"$1"
	awk -F'[ms ]+' 'NR == 2 { print int(1000 * ($1 * 60 + $2 + $3 * 60 + $4)) }' "$1" >"$1.sum"
	cpu_ms=$(<"$1.sum")
}

# run_target TARGET JOB: slices until there is enough of them.
run_target() {
	local target=$1 log=$out/log.$1.$build.$changing.$2 left_s=$seconds left=$runs
	local done_s n cpu_ms before_ms
	while :; do
		cpu_of "$log.times"
		before_ms=$cpu_ms
		done_s=$SECONDS n=0
		if ((runs)); then
			# -runs counts the corpus too
			one_slice "$target" "$log" -runs="$left" -max_total_time="$slice" || return 1
		else
			one_slice "$target" "$log" \
				-max_total_time=$((left_s < slice ? left_s : slice)) || return 1
		fi
		done_s=$((SECONDS - done_s))
		cpu_of "$log.times"
		n=$(awk '/^stat::number_of_executed_units/ { print $2 }' "$log")
		((short)) || tests/fuzz/report.py --slice "$out" "$target" "$log" "$done_s" \
			"$changing" "$build" $((cpu_ms - before_ms))
		((left -= n, left_s -= done_s, 1))
		((runs ? left > 0 : left_s > 0)) || return 0
	done
}

mkdir -p "$out/faults"
failed=0
for target in "${wanted[@]}"; do
	[[ -x $bin/${build}_$target ]] || { echo "fuzz: no $bin/${build}_$target" >&2; exit 2; }
	mkdir -p "$out/corpus/$target" "$out/seeds/$target"
	"$bin/replay_$target" --write "$out/seeds/$target"
	pids=()
	for ((job = 0; job < jobs; job++)); do
		run_target "$target" "$job" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || failed=1
	done
	((failed)) || printf 'fuzz: %s: %s\n' "$target" \
		"$(grep -h 'DONE' "$out/log.$target.$build.$changing.0" | tail -1 | tr -s ' ')"
done
exit "$failed"
