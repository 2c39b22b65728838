# SPDX-License-Identifier: Apache-2.0
# Read by the checks beside it: they report all that is wrong, then end with $bad.

bad=0

violation() { # WHAT LINES: report the lines, if there are any
	[[ -n $2 ]] || return 0
	printf '%s:\n' "$1"
	printf '%s\n' "$2" | sed 's/^/  /'
	bad=1
}
