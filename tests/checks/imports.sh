#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: tests/failing/imports.txt has a line for whatever the libraries take from outside, so that
# no system call and no allocation comes in that fails in no test. Runs at the top of the tree:
# imports.sh OBJECT...
set -euo pipefail
# shellcheck source=tests/checks/violation.sh
. "${BASH_SOURCE%/*}/violation.sh"

list=tests/failing/imports.txt
(($#)) || { echo "no object given" >&2; exit 2; }

# What sanitizers, profiles and outlined atomics call is the compiler's.
imported() {
	nm "$@" | awk '
	$1 == "U" || $1 == "w" { wanted[$2] = 1 }
	NF == 3 { defined[$3] = 1 }
	END {
		for (name in wanted)
			if (!(name in defined) && name !~ /^(__(a|ub|t|l|m)san_|__sanitizer|__aarch64_|__gcov|_GLOBAL_|_ITM_|__gmon_start)/)
				print name
	}' | sort
}
listed() {
	sed -nE "s/^($1) //p" "$list" | sort
}

violation "imported, without a line in $list" "$(comm -23 <(imported "$@") <(listed 'fails|kept|safe'))"
violation "in $list, imported by nothing" "$(comm -13 <(imported "$@") <(listed 'fails|kept'))"
exit $bad
