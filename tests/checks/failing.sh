#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: tests/failing/README.md has each function of the public headers that returns an int, with
# tests that are there and a file that calls it. Runs at the top of the tree: failing.sh HEADER...
set -euo pipefail
# shellcheck source=tests/checks/violation.sh
. "${BASH_SOURCE%/*}/violation.sh"

folder=tests/failing
readme=$folder/README.md

declared() {
	cat "$@" | tr '\n' ' ' | grep -oE 'RDX_API int(64_t)? rdx_[a-z_]+\(' | grep -oE 'rdx_[a-z_]+' | sort
}
# FUNCTION FILE TEST, one a test
named() {
	awk -F '`' '/^\| `rdx_/ {
		for (i = 4; i <= NF; i += 2) {
			count = split($(i + 1), words, /[^a-z_]+/)
			for (w = 1; w <= count; w++)
				if (words[w] ~ /^test_/)
					print $2, $i, words[w]
		}
	}' "$readme"
}
missing() {
	local function file test
	while read -r function file test; do
		grep -qsw "TEST($test)" "$folder/test_$file.c" || echo "$file has no $test"
		grep -qsw "$function" "$folder/test_$file.c" || echo "$file does not call $function"
	done < <(named)
}

violation "returns an int, without a test in $readme" \
	"$(comm -23 <(declared "$@") <(named | cut -d' ' -f1 | sort -u))"
violation "in $readme, in no public header" \
	"$(comm -13 <(declared "$@") <(named | cut -d' ' -f1 | sort -u))"
violation "in $readme, but" "$(missing | sort -u)"
exit $bad
