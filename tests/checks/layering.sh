#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: folders include only what they may, no sources include each other's headers in
# a circle, fences stand in one header, files stay short. Runs at the top of the tree; prints
# each violation and fails if there is one.
set -euo pipefail
# shellcheck source=tests/checks/violation.sh
. "${BASH_SOURCE%/*}/violation.sh"

LINES_MAX=600

# The protocol cores: a model checker runs them, so there is no system call in them.
layouts='segment_layout|index_layout|namespace_layout'
cores='words|slot|hook|ring|event|barrier|ledger|publish|clear|bell|cell|set|table|column|version|pulse|prefetch'
cores+='|entry|generation'
core_may="<(stdint|stdatomic|stdalign|stddef|assert|errno)\.h>|<ringdex/rdx_types\.h>"
core_may+="|\"shm/($layouts|$cores)\.h\""
include='#[[:space:]]*include[[:space:]]*'

sources() { # FOLDER...
	local folder
	for folder; do
		[[ -d $folder ]] || { echo "no folder $folder in $PWD" >&2; exit 2; }
	done
	find "$@" \( -name '*.[ch]' -o -name '*.cc' \) | sort
}

# The others' headers, by path or under <ringdex/...>.
producers="[\"<](\.\./)*producer/|rdx_publisher\.h"
consumers="[\"<](\.\./)*consumer/|rdx_(reader|indexer|index)\.h"

# A file of tools/ is of one side.
both_sides() {
	local file
	while IFS= read -r file; do
		grep -qE "$include.*($producers)" "$file" && grep -qE "$include.*($consumers)" "$file" &&
			printf '%s\n' "$file"
	done < <(sources tools)
	return 0
}

# Which source asks for the functions of which other one: no way leads back.
circles() {
	local file other
	while IFS= read -r file; do
		while IFS= read -r other; do
			[[ ! -e $other.c || $other.c == "$file" ]] || printf '%s %s\n' "${file%.c}" "$other"
		done < <(sed -nE "s@^$include\"([a-z_/]+)\.h\".*@\1@p" "$file")
	done < <(sources shm producer consumer tools python | grep '\.c$') | tsort 2>&1 >/dev/null
}

violation "shm/ includes producer/ or consumer/" \
	"$(sources shm | xargs grep -nE "$include.*($producers|$consumers)" /dev/null || true)"
violation "producer/ includes consumer/" \
	"$(sources producer | xargs grep -nE "$include.*($consumers)" /dev/null || true)"
violation "consumer/ includes producer/" \
	"$(sources consumer | xargs grep -nE "$include.*($producers)" /dev/null || true)"
violation "sources that need each other in a circle" "$(circles || true)"
violation "a library includes tools/" \
	"$(sources shm producer consumer | xargs grep -nE "$include[\"<](\.\./)*tools/" /dev/null || true)"
violation "a library has a main" \
	"$(sources shm producer consumer | xargs grep -nE '^int main\(' /dev/null || true)"
violation "a file of tools/ is of both sides" "$(both_sides)"
violation "a core header includes more than std*, assert, errno, layouts, types and cores" \
	"$(sources shm | grep -E "^shm/(rdx_types|$layouts|$cores)\.h$" |
		xargs grep -nE "$include" /dev/null | grep -vE "$include($core_may)" || true)"
violation "a fence outside shm/words.h" \
	"$(sources shm producer consumer tools bench | grep -v '^shm/words\.h$' |
		xargs grep -nE '(atomic_(thread|signal)_fence|__sync_synchronize) *\(' /dev/null || true)"
violation "an edge without a name: rdx_fence_ outside shm/" \
	"$(sources producer consumer tools bench | xargs grep -nE 'rdx_fence_' /dev/null || true)"
violation "more than $LINES_MAX lines" \
	"$(sources shm producer consumer tools bench python | xargs wc -l /dev/null |
		awk -v max=$LINES_MAX '$2 != "total" && $1 > max' || true)"
exit $bad
