#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: a function of the libraries bears the name of its file, so that a reader finds
# it by one guess: rdx_<file>_... or rdx_<folder>_<file>..., where a plural counts as its
# singular and "x_state" as "x". At least 95 % do. Runs at the top of the tree; prints those
# that do not, and fails if they are too many.
set -euo pipefail

LEAST_PERCENT=95

# FILE NAME for each function that is defined at the left margin
functions() {
	awk '
	/^[a-z].*[ *]rdx_[a-z0-9_]+\(/ {
		match($0, /rdx_[a-z0-9_]+\(/)
		name = substr($0, RSTART, RLENGTH - 1)
	}
	/;$/ { name = "" }
	/^{/ && name { print FILENAME, name; name = "" }
	' "$@"
}

bears() { # FILE NAME
	local stem=${1##*/} folder=${1%/*}
	stem=${stem%.*} folder=${folder##*/}
	stem=${stem#rdx_}
	stem=${stem%_state}
	stem=${stem%s}
	[[ $2 == rdx_"$stem"* || $2 == rdx_"${folder}_$stem"* ]]
}

total=0 strangers=()
while read -r file name; do
	((total += 1))
	bears "$file" "$name" || strangers+=("$file: $name")
done < <(find shm producer consumer -name '*.[ch]' | sort | while IFS= read -r file; do
	functions "$file"
done)
((total)) || { echo "no function found in $PWD" >&2; exit 2; }
percent=$(((total - ${#strangers[@]}) * 100 / total))
printf '%d %% of %d functions bear the name of their file; these do not:\n' "$percent" "$total"
printf '  %s\n' "${strangers[@]-none}"
((percent >= LEAST_PERCENT))
