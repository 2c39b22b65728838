#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: a function bears the name of its file, so that a reader finds it by one guess:
# in the libraries rdx_<file>_... or rdx_<folder>_<file>..., where a plural counts as its
# singular and "x_state" as "x"; in tools/ the same without rdx_. At least 95 % do, in both.
# Runs at the top of the tree; prints those that do not, and fails if they are too many.
set -euo pipefail

LEAST_PERCENT=95

# FILE NAME for each function that is defined at the left margin: those that begin with PREFIX,
# or where that is empty, those that other files can call
functions() { # PREFIX FILE...
	awk -v prefix="$1" '
	/^[a-z].*[ *][a-z0-9_]+\(/ {
		match($0, /[ *][a-z0-9_]+\(/)
		name = substr($0, RSTART + 1, RLENGTH - 2)
		if (prefix ? index(name, prefix) != 1 : /^static/)
			name = ""
	}
	/;$/ { name = "" }
	/^{/ && name { if (name != "main") print FILENAME, name; name = "" }
	' "${@:2}"
}

bears() { # PREFIX FILE NAME
	local stem=${2##*/} folder=${2%/*}
	stem=${stem%.*} folder=${folder##*/}
	stem=${stem#rdx_}
	stem=${stem%_state}
	stem=${stem%s}
	[[ $3 == "$1$stem"* || $3 == "$1${folder}_$stem"* ]]
}

check() { # PREFIX FOLDER...
	local total=0 strangers=() percent
	while read -r file name; do
		((total += 1))
		bears "$1" "$file" "$name" || strangers+=("$file: $name")
	done < <(find "${@:2}" -name '*.[ch]' | sort | while IFS= read -r file; do
		functions "$1" "$file"
	done)
	((total)) || { echo "no function found in $PWD" >&2; exit 2; }
	percent=$(((total - ${#strangers[@]}) * 100 / total))
	printf '%s: %d %% of %d functions bear the name of their file; these do not:\n' \
		"${*:2}" "$percent" "$total"
	printf '  %s\n' "${strangers[@]-none}"
	((percent >= LEAST_PERCENT))
}

check rdx_ shm producer consumer
check '' tools
check '' python
