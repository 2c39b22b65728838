#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Applies the mutations of tests/mutations/*.txt, one at a time, in a copy of the tree, builds
# the tests that must then fail, and runs them. Several copies are at work beside each other.
# Runs at the top of the tree:
#   run.sh [--quick [--one-in=N] | --list | --check] [PATTERN...]
# --quick: only the tests marked so. --one-in: only one mutation in N, others for each RDX_SEED.
# --check: only that each mutation still fits the source.
# PATTERN: names of mutations, as the shell's. Prints a table; fails unless all are caught. How
# a mutation is written: README.md beside this.
set -euo pipefail

here=tests/mutations
scratch=build/mutate
jobs=${JOBS:-2}
copies=$((jobs + 1)) # many tests wait
limit=120 # seconds of a test, many times what it takes without a mutation
tries=10  # of a test that depends on a seed or on chance
export RDX_PATIENCE=${RDX_PATIENCE:-20} # seconds that a test waits for what may never come

classes='quick|full'
only=
share=1
case "${1-}" in
--quick)
	classes=quick
	shift
	[[ ${1-} != --one-in=* ]] || { share=${1#*=}; shift; }
	;;
--list) only=list; shift ;;
--check)
	only=check
	scratch=$(mktemp -d)
	trap 'rm -r "$scratch"' EXIT
	tree=.
	shift
	;;
esac
patterns=("${@:-*}")

die() {
	printf 'mutate: %s\n' "$*" >&2
	exit 2
}

# The copy that this shell works in, from here on
work_in() { # NUMBER
	tree=$scratch/tree-$1
	build=$tree/build/dev
	log=$scratch/log-$1.txt
	mutated=$scratch/mutated-$1
	export CCACHE_BASEDIR=$PWD/$tree CCACHE_NOHASHDIR=1
}

# Files of the tree, as they are now
files() {
	find . \( -path ./build -o -path ./.git \) -prune -o -type f -printf '%P\n' | sort
}

# The copy: what differs is copied, with a new time, so that little is built
copy() {
	local file
	mkdir -p "$tree"
	while IFS= read -r file; do
		cmp -s "$file" "$tree/$file" || install -D -m "$(stat -c %a "$file")" "$file" "$tree/$file"
	done <"$scratch/files"
	(cd "$tree" && find . -path ./build -prune -o -type f -printf '%P\n') | sort |
		comm -13 "$scratch/files" - | while IFS= read -r file; do rm "$tree/$file"; done
}

configure() {
	local launcher=()
	! command -v ccache >/dev/null || launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
	(cd "$tree" && cmake --preset dev "-DCMAKE_C_FLAGS_RELWITHDEBINFO=-O2" -DRDX_WERROR=OFF \
		"${launcher[@]}") >"$log" 2>&1 || { cat "$log"; die "cannot configure"; }
}

# Split the lists: a folder for each mutation, with files `tests`, `why` and hunk-N, whose
# first line is the file to be changed
split_lists() {
	rm -rf "$scratch/list"
	mkdir -p "$scratch/list"
	: >"$scratch/names"
	awk -v list="$scratch/list" -v names="$scratch/names" '
	function wrong(text) {
		print FILENAME ":" FNR ": " text
		bad = 1
		exit 1
	}
	function begin(file) { # what is open already would be too much for the usual limit
		if (hunk)
			close(hunk)
		hunk = file
	}
	/^#/ || /^$/ { begin(""); next }
	/^mutation [A-Za-z0-9._-]+$/ {
		if ($2 in seen)
			wrong("a second " $2)
		seen[$2] = 1
		folder = list "/" $2
		system("mkdir " folder)
		print $2 >names
		hunks = 0
		begin("")
		next
	}
	!folder { wrong("before the first mutation") }
	/^why ./ {
		print substr($0, 5) >(folder "/why")
		close(folder "/why")
		next
	}
	/^(quick|full) [a-z]+\/[a-z0-9_]+$/ {
		print >>(folder "/tests")
		close(folder "/tests")
		next
	}
	/^in ./ {
		begin(folder "/hunk-" ++hunks)
		print substr($0, 4) >hunk
		next
	}
	/^[-+ ]/ && hunk { print >hunk; next }
	{ wrong("neither mutation, why, quick, full, in, nor a line of a hunk") }
	END { exit bad }' "$here"/*.txt || die "a list is not well formed"
	for name in $(<"$scratch/names"); do
		[[ -s $scratch/list/$name/why && -s $scratch/list/$name/tests &&
			-s $scratch/list/$name/hunk-1 ]] || die "$name: without why, test or change"
	done
}

selected() { # NAME
	local pattern
	for pattern in "${patterns[@]}"; do
		# shellcheck disable=SC2053 # a pattern
		[[ $1 != $pattern ]] || return 0
	done
	return 1
}

# Is the mutation one of this seed's share?
is_drawn() { # NAME
	local number
	((share > 1)) || return 0
	number=$(cksum <<<"${RDX_SEED-} $1")
	((${number%% *} % share == 0))
}

tests_of() { # NAME
	sed -nE "s/^($classes) //p" "$scratch/list/$1/tests"
}

# The file with the old lines of a hunk exchanged for the new ones; they must stand there once.
mutated_by() { # HUNK
	read -r file <"$1"
	awk '
	NR == FNR && FNR == 1 { next }
	NR == FNR {
		rest = substr($0, 2) "\n"
		if (/^[- ]/) old = old rest
		if (/^[+ ]/) new = new rest
		next
	}
	{ text = text $0 "\n" }
	END {
		text = "\n" text
		at = index(text, "\n" old)
		if (!old || !at || index(substr(text, at + 1), "\n" old))
			exit 1
		printf "%s%s%s", substr(text, 2, at - 1), new, substr(text, at + 1 + length(old))
	}' "$1" "$tree/$file" || {
		printf '%s: its lines do not stand in %s exactly once\n' \
			"$(basename "$(dirname "$1")")" "$file" >&2
		return 1
	}
}

apply() { # NAME
	local hunk file
	for hunk in "$scratch/list/$1"/hunk-*; do
		read -r file <"$hunk"
		mutated_by "$hunk" >"$mutated" || exit 2
		cat "$mutated" >"$tree/$file"
	done
}

# Does each mutation fit, and is there each test?
check() {
	local name hunk file test bad=0
	for name in "${names[@]}"; do
		for hunk in "$scratch/list/$name"/hunk-*; do
			mutated_by "$hunk" >/dev/null || bad=1
		done
		for test in $(tests_of "$name"); do
			[[ -e $(source_of "$test") ]] ||
				grep -qsw "${test#*/}" tests/checks/CMakeLists.txt ||
				{ printf '%s: there is no %s\n' "$name" "$test"; bad=1; }
		done
	done
	return $bad
}

undo() { # NAME
	local hunk file
	for hunk in "$scratch/list/$1"/hunk-*; do
		read -r file <"$hunk"
		cat "$file" >"$tree/$file"
	done
}

# Scripts beside the real daemon: tests/daemon/test_SUBJECT.py, on a kind of loop
daemon_targets=(ringdexd ringdex-bridge ringdex-feed ringdex-follow ringdex-ls ringdex-query ringdex-tail example-publish held_run)

# The file of a test.
source_of() { # TEST
	local subject
	case $1 in
	process/daemon_*)
		subject=${1#process/daemon_}
		printf 'tests/daemon/test_%s.py' "${subject%%_*}"
		;;
	process/python_*) printf 'tests/python/test_%s.py' "${1#process/python_}" ;;
	process/doctor) printf 'tests/operator/test_doctor.py' ;;
	*) printf 'tests/%s/test_%s.c' "${1%/*}" "${1#*/}" ;;
	esac
}

# Only what the tests need; checks of the tree need nothing, but for that of the objects.
build_tests() { # TEST...
	local test targets=()
	for test; do
		case $test in
		*/check_objects) targets+=(rdx_shm rdx_producer rdx_consumer) ;;
		*/check_*) ;;
		process/daemon_*) targets+=("${daemon_targets[@]}") ;;
		process/python_*) targets+=(rdx_python) ;;
		process/doctor) targets+=(ringdex-doctor ringdex-feed ringdex-follow ringdex-ls ringdex-clean held_run) ;;
		*) targets+=("test_${test#*/}") ;;
		esac
	done
	((!${#targets[@]})) ||
		cmake --build "$build" -j 2 --target "${targets[@]}" >"$log" 2>&1
}

# Run a program of tests until it ends, or says that a test of it has failed: what is broken
# may take long to end. The log is a new file each time: a child that outlives its test may write
# to the old one.
run_program() { # PROGRAM
	local pid status=0
	rm -f "$log"
	: >"$log"
	timeout -k 5 "$limit" stdbuf -oL "$1" >"$log" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		if grep -qE '^\[  FAILED  \] ' "$log"; then
			kill "$pid" 2>/dev/null || true
			wait "$pid" || true
			return 1
		fi
		sleep 0.1
	done
	wait "$pid" || status=$?
	return $status
}

# How a test ended: passed, failed, time-out, skipped
outcome() { # TEST
	local status=0
	if [[ $1 == */check_* || $1 == process/daemon_* || $1 == process/python_* || $1 == process/doctor ]]; then
		ctest --test-dir "$build" -R "^dev/$1\$" --output-on-failure --no-tests=error \
			>"$log" 2>&1 || status=$?
	else
		run_program "$build/bin/test_${1#*/}" || status=$?
	fi
	case $status in
	0) echo passed ;;
	77) echo skipped ;;
	124 | 137) echo time-out ;;
	*) echo failed ;;
	esac
}

row() {
	printf '%-36s %-30s %-28s %s\n' "$@"
}

# A row that is printed once more at the end, where whoever looks for the reason looks first, with the
# end of the log
escaped() { # NAME TEST RESULT
	row "$1" "$file" "$2" "$3" | tee -a "$scratch/escaped"
	tail -n 20 "$log" | sed 's/^/    /' >>"$scratch/escaped"
}

# One test against the mutation that is applied and built. Each try has a seed of its own, also where
# the first one was given.
try() { # NAME TEST
	local ended try begun=$SECONDS seed=${RDX_SEED-}
	for ((try = 1; try <= tries; try++)); do
		[[ -z $seed ]] || local -x RDX_SEED=$((seed + try - 1))
		ended=$(outcome "$2")
		[[ $ended == passed ]] || break
		[[ $2 != */check_* ]] || break
	done
	cp "$log" "$scratch/list/$1/${2#*/}.log"
	case $ended in
	failed) row "$1" "$file" "$2" "caught, $((SECONDS - begun)) s, try $try" ;;
	time-out) row "$1" "$file" "$2" "caught: it does not end" ;;
	passed) escaped "$1" "$2" "NOT CAUGHT, $((SECONDS - begun)) s" ;;
	*) escaped "$1" "$2" "NOT CAUGHT: $ended" ;;
	esac
	[[ $ended == failed || $ended == time-out ]]
}

mutate() { # NAME
	local file test tests bad=0
	mapfile -t tests < <(tests_of "$1")
	read -r file <"$scratch/list/$1/hunk-1"
	apply "$1"
	if build_tests "${tests[@]}"; then
		for test in "${tests[@]}"; do
			try "$1" "$test" || bad=1
		done
	else
		escaped "$1" - "DOES NOT BUILD"
		bad=1
	fi
	undo "$1"
	return $bad
}

# Without a mutation each test passes: else its failure says nothing. A share of them in each copy. Nothing
# is to fail here, so what takes longer on a busy machine may.
baseline() {
	local test limit=600
	local -x RDX_PATIENCE=240
	build_tests "${all_tests[@]}" || { cat "$log"; die "the tree does not build"; }
	for test in "${all_tests[@]}"; do
		mkdir "$scratch/list/${test#*/}.taken" 2>/dev/null || continue
		[[ $(outcome "$test") == passed ]] ||
			{ cat "$log"; die "$test does not pass without a mutation"; }
	done
}

# What one copy does: mutations that no other has taken. Its result: 0 if all were caught.
work() { # NUMBER
	local name bad=0
	work_in "$1"
	copy
	configure
	baseline
	for name in "${names[@]}"; do
		mkdir "$scratch/list/$name/taken" 2>/dev/null || continue
		mutate "$name" || { mkdir "$scratch/list/$name/escaped"; bad=1; }
	done
	return $bad
}

# Read as a whole before it runs: whoever edits this meanwhile does not disturb it.
{
	[[ -d $here ]] || die "runs at the top of the tree"
	mkdir -p "$scratch"
	split_lists
	names=()
	for name in $(<"$scratch/names"); do
		! selected "$name" || [[ -z $(tests_of "$name") ]] || ! is_drawn "$name" ||
			names+=("$name")
	done
	((${#names[@]})) || die "no such mutation: ${patterns[*]}"
	if [[ $only == check ]]; then
		check
		exit
	fi
	if [[ $only == list ]]; then
		for name in "${names[@]}"; do
			row "$name" "$(head -n 1 "$scratch/list/$name/hunk-1")" \
				"$(sed 's/^[a-z]* //' "$scratch/list/$name/tests" | paste -sd ' ')" \
				"$(<"$scratch/list/$name/why")"
		done
		exit 0
	fi
	exec 9>"$scratch/lock"
	flock -n 9 || die "another run is under way in $scratch"
	files >"$scratch/files"
	: >"$scratch/escaped"
	mapfile -t all_tests < <(for name in "${names[@]}"; do tests_of "$name"; done | sort -u)
	row mutation file test result
	workers=()
	trap 'kill "${workers[@]}" 2>/dev/null || true' EXIT
	for ((number = 1; number <= copies; number++)); do
		work "$number" &
		workers+=($!)
	done
	failed=0
	for worker in "${workers[@]}"; do
		wait "$worker" || failed=1
	done
	cat "$scratch/escaped"
	printf '%d mutations, %d not caught, %d s\n' "${#names[@]}" \
		"$(find "$scratch/list" -name escaped | wc -l)" "$SECONDS"
	exit $failed
}
