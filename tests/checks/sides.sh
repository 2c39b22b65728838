#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: no program plays both sides: none of those given holds the publisher and any of
# reader, index and indexer. Runs anywhere: sides.sh PROGRAM...
set -euo pipefail

producer='^rdx_publisher_open$'
consumer='^rdx_(reader|index|indexer)_open$'
(($#)) || { echo "no program given" >&2; exit 2; }
bad=0
sides=0
for program; do
	symbols=$(nm -P "$program" | cut -d' ' -f1)
	publishes=$(grep -cE "$producer" <<<"$symbols" || true)
	reads=$(grep -cE "$consumer" <<<"$symbols" || true)
	((sides += publishes + reads)) || true
	if ((publishes && reads)); then
		echo "both sides in one program: $program"
		bad=1
	fi
done
((sides)) || { echo "no program holds either side: are their symbols stripped?" >&2; exit 2; }
exit $bad
