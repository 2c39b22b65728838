#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run the examples against each other: run.sh BIN_DIR [DIR]
set -euo pipefail
dir=${2-$(mktemp -d /dev/shm/ringdex-example-XXXXXX)}
trap 'rm -rf "$dir"' EXIT
for program in publish translate; do
	coproc worker { "$1/example-$program" "$dir/$program"; }
	read -r line <&"${worker[0]}"
	[[ $line == published ]]
	answer=$("$1/example-lookup" "$dir/$program")
	printf '%s\n' "$answer"
	[[ $answer == "worker 1 rank 0 at http://localhost:8000 holds 2 blocks on its device" ]]
	eval "exec ${worker[1]}>&-"
	wait
done
