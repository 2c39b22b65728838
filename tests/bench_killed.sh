#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench_killed.sh PROGRAM DIR: a benchmark that is stopped or killed leaves nothing in DIR.
set -euo pipefail
set -m # each job is a process group, and SIGINT not ignored in it
program=$1
dir=$2
child=
trap '[[ -z $child ]] || kill -KILL "$child" 2>/dev/null || true' EXIT

# await CONDITION...: true within four minutes, on the busiest machine
await() {
	local try
	for ((try = 0; try < 4800; try++)); do
		! "$@" || return 0
		sleep 0.05
	done
	echo "never: $*" >&2
	exit 1
}

works() {
	kill -0 "$child" && compgen -G "$dir/rdx-bench-*/*/*" >/dev/null
}

is_empty() {
	! compgen -G "$dir/*" >/dev/null
}

for signal in INT TERM KILL; do
	"$program" --smoke --rounds 1000000 --scratch "$dir" >/dev/null &
	child=$!
	await works
	kill "-$signal" -- "-$child"
	wait "$child" && exit 1
	await is_empty
	child=
done
