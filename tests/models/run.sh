#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs scripts of the models in GenMC, under RC11 and IMM. Runs at the top of the tree:
#   run.sh [MODEL...]    all that have a genmc_MODEL.c by default
# GENMC: its program. INCLUDE: a build's include/, for <ringdex/...>. Prints the executions of each
# script; fails if a promise is broken; exits 77 where GenMC is not installed.
set -euo pipefail

genmc=${GENMC:-genmc}
include=${INCLUDE:-build/dev/include}
limit=${LIMIT:-3600} # seconds of a script
models=("$@")
((${#models[@]})) || mapfile -t models < <(ls tests/models/genmc_*.c | sed 's/.*genmc_\(.*\)\.c/\1/')

command -v "$genmc" >/dev/null || {
	echo "GenMC 0.10.2 is not installed: nothing is run. How to build it: tests/models/README.md"
	exit 77
}
[[ -d $include/ringdex ]] || { echo "no headers in $include: build first" >&2; exit 2; }

# 0.10 has no static_assert in its assert.h, and copies no structures as calls of memcpy; its jump
# threading ends at a comparison of pointers (guard).
checks=(--disable-estimation --disable-loop-jump-threading)
flags=(-std=gnu11 -w -O1 -fno-builtin -Dstatic_assert=_Static_assert -I. "-I$include")
bad=0
for model in "${models[@]}"; do
	source=tests/models/genmc_$model.c
	count=$(sed -n '/scripts\[\] = {/,/^};/p' "$source" "tests/models/${model}_steps.h" |
		grep -cE '^	\{')
	for ((script = 0; script < count; script++)); do
		for memory in rc11 imm; do
			out=$(timeout "$limit" "$genmc" "--$memory" "${checks[@]}" -- \
				"${flags[@]}" "-DSCRIPT=$script" "$source" 2>&1) || true
			executions=$(sed -n 's/^Number of complete executions explored: //p' <<<"$out")
			if grep -q '^No errors were detected' <<<"$out"; then
				printf '%-6s %2d  %-4s %8d executions\n' "$model" "$script" "$memory" "$executions"
			else
				printf '%-6s %2d  %-4s FAILED\n%s\n' "$model" "$script" "$memory" "$out"
				bad=1
			fi
		done
	done
done
exit $bad
