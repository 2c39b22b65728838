#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run examples against each other: run.sh BIN_DIR [DIR [PUBLISH LOOKUP]]
# PUBLISH and LOOKUP are commands that take a directory; without them, those in C. An index that
# LOOKUP does not maintain itself is maintained by `ringdex follow`.
set -euo pipefail
bin=$1
dir=${2-$(mktemp -d /dev/shm/ringdex-example-XXXXXX)}
follow=
trap '[[ -z $follow ]] || { kill "$follow"; wait "$follow" || true; }; rm -rf "$dir"' EXIT

pair() { # DIR PUBLISH LOOKUP
	local right="worker 1 rank 0 at http://localhost:8000 holds 2 blocks on its device: EXACT"
	local worker line answer tries
	coproc engine { exec "$2" "$1"; }
	worker=$engine_PID
	read -r line <&"${engine[0]}"
	[[ $line == published ]]
	if [[ $3 != */example-lookup ]]; then
		"$bin/ringdex-follow" --dir="$1" >/dev/null &
		follow=$!
	fi
	for ((tries = 1200; tries; tries--)); do # the indexer may not have caught up, or rest in the midst of a change
		# shellcheck disable=SC2086 # a command is words
		if answer=$($3 "$1") && [[ $answer == "$right" ]]; then
			break
		fi
		sleep 0.1
	done
	printf '%s\n' "$answer"
	((tries))
	eval "exec ${engine[1]}>&-"
	wait "$worker"
}

if (($# == 4)); then
	pair "$dir" "$3" "$4"
else
	pair "$dir/publish" "$bin/example-publish" "$bin/example-lookup"
	pair "$dir/translate" "$bin/example-translate" "$bin/example-lookup"
fi
