#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: prefetches that the sources ask for are in the objects as built. gcc 12 takes an inline
# function that only prefetches for one without effect, and leaves out the calls. prefetches.txt
# beside this script says how many a function has at least; every source that asks for some has a
# line there. Runs at the top of the tree: objects.sh OBJECT...
set -euo pipefail
# shellcheck source=tests/checks/violation.sh
. "${BASH_SOURCE%/*}/violation.sh"

list=${BASH_SOURCE%/*}/prefetches.txt
command -v objdump >/dev/null || { echo "no objdump: skipped"; exit 77; }
(($#)) || { echo "no object given" >&2; exit 2; }

# FILE FUNCTION COUNT for each function of the objects; what the compiler split off counts with it.
counted() {
	local object source
	for object; do
		# .../shm/CMakeFiles/rdx_shm.dir/./hash.c.o is of .../shm/hash.c
		source=${object/CMakeFiles\/*.dir\//}
		source=${source//\/.\//\/}
		source=${source%.o}
		grep -qF "/${source##*/} " "$list" || continue
		objdump -d --no-show-raw-insn "$object" | awk -v file="$source" '
		/^[0-9a-f]+ <.*>:$/ {
			name = $2
			gsub(/[<>:]|\.(part|constprop|isra|cold).*/, "", name)
		}
		/\t(prefetch|prfm)/ { count[name]++ }
		END { for (name in count) print file, name, count[name] }'
	done
}

# Lines of the list that the objects do not keep.
missed() {
	awk '
	FNR == NR { count[$1 " " $2] += $3; next }
	/^#/ || NF == 0 { next }
	{
		found = 0
		for (key in count) {
			split(key, part, " ")
			if (part[2] ~ "^(" $2 ")$" && substr(part[1], length(part[1]) - length($1)) == "/" $1)
				found += count[key]
		}
		if (found < $3)
			printf "%s: %s: %d of at least %d\n", $1, $2, found, $3
	}' <(counted "$@") "$list"
}

# Sources that prefetch and are not in the list.
unlisted() {
	local file
	while IFS= read -r file; do
		grep -q "^$file " "$list" || printf '%s\n' "$file"
	done < <(find shm producer consumer -name '*.c' | xargs grep -lE 'prefetch[a-z_]*\(' | sort)
}

violation "prefetches left out by the compiler (is a function that only prefetches always_inline?)" \
	"$(missed "$@")"
violation "sources that prefetch, and $list does not say how often" "$(unlisted)"
exit $bad
