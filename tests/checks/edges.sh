#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: the orders that the code asks for are those of docs/memory-model.md. No test on
# x86 fails when a release becomes relaxed or a fence is left out; this one does. In shm/,
# producer/ and consumer/
#   every order stronger than relaxed, and every fence, has an edge's label: in a comment on
#   its lines, or in comment lines before it;
#   a labelled access has an order that the table gives the edge ("release → acquire"),
#   or is relaxed and its comment says so;
#   each order and fence of the table's edge stands there, as often as the table says.
# And each fence of shm/words.h is the one that it is called. Runs at the top of the tree;
# prints each violation and fails if there is one.
set -euo pipefail

table=docs/memory-model.md
words=shm/words.h
folders=(shm producer consumer)

[[ -f $table && -f $words ]] || { echo "no $table or $words in $PWD" >&2; exit 2; }

# LABEL ORDER, one line for each order of the table's edges, relaxed ones left out
orders() {
	awk -F' *[|] *' '
	$2 ~ /^[A-Z][0-9]$/ {
		count = split($5, order, / *(→|,) */)
		for (i = 1; i <= count; i++) {
			if (order[i] ~ /^(release|acquire|acq_rel|seq_cst)( fence)?$/)
				print $2, order[i]
			else if (order[i] !~ /^relaxed/ && $5 !~ /^the kernel/)
				print $2, "?" order[i]
		}
	}' "$table"
}

# Statements of the sources with an order or a fence: FILE:LINE LABELS|relaxed? ORDERS
statements() {
	# shellcheck disable=SC2016 # awk
	find "${folders[@]}" -name '*.[ch]' ! -path "$words" -print | sort | xargs awk '
	function tell(    text, found, labels) {
		text = statement
		found = ""
		while (match(text, /memory_order_[a-z_]+|rdx_fence_[a-z_]+\(\)/)) {
			found = found "," substr(text, RSTART, RLENGTH)
			text = substr(text, RSTART + RLENGTH)
		}
		if (found) {
			gsub(/memory_order_/, "", found)
			gsub(/rdx_fence_/, "", found)
			gsub(/\(\)/, " fence", found)
			labels = ""
			text = comment
			while (match(text, /(^|[^A-Za-z0-9_])[A-Z][0-9]($|[^A-Za-z0-9_])/)) {
				labels = labels substr(text, RSTART, RLENGTH)
				text = substr(text, RSTART + RLENGTH - 1)
			}
			gsub(/[^A-Z0-9]+/, " ", labels)
			print FILENAME ":" FNR "|" labels "|" (comment ~ /relaxed:/) "|" \
				substr(found, 2)
		}
		statement = comment = ""
	}
	FNR == 1 { statement = comment = ""; inside = 0 }
	{
		line = $0
		while (line != "") {
			if (inside) {
				end = index(line, "*/")
				comment = comment " " (end ? substr(line, 1, end - 1) : line)
				line = end ? substr(line, end + 2) : ""
				inside = !end
			} else {
				begin = index(line, "/*")
				statement = statement (begin ? substr(line, 1, begin - 1) : line)
				line = begin ? substr(line, begin + 2) : ""
				inside = begin > 0
			}
		}
		if (!inside && statement ~ /[;{}][ \t]*$/)
			tell()
		else if (!inside && statement ~ /^[ \t]*$/ && $0 ~ /^[ \t]*$/)
			statement = comment = ""
	}'
}

{
	orders | sed 's/^/table|/'
	statements
} | awk -F'|' '
function wrong(text) {
	print text
	bad = 1
}
$1 == "table" {
	of = substr($2, 1, 2)
	if ($2 ~ /[?]/)
		wrong("the table gives " of " an order that is none: " substr($2, 5))
	wanted[of, substr($2, 4)]++
	next
}
{
	count = split($4, order, ",")
	labels = split($2, label, " ")
	for (i = 1; i <= count; i++) {
		if (order[i] != "relaxed" && !labels)
			wrong($1 ": " order[i] " of no edge")
		allowed = !labels || (order[i] == "relaxed" && (count > 1 || $3))
		for (j = 1; j <= labels; j++) {
			allowed = allowed || (label[j], order[i]) in wanted
			found[label[j], order[i]]++
		}
		if (!allowed)
			wrong($1 ": " order[i] " is not an order of " $2)
	}
}
END {
	for (key in wanted) {
		split(key, part, SUBSEP)
		if (found[key] < wanted[key])
			wrong(part[1] ": " wanted[key] " x " part[2] " in the table, " \
			      found[key] + 0 " in the code")
	}
	exit bad
}' || bad=1

for fence in release acquire seq_cst; do
	grep -A8 -F "static inline void rdx_fence_$fence(void)" "$words" | sed '/^}/q' |
		grep -qF "atomic_thread_fence(memory_order_$fence);" ||
		{ echo "$words: rdx_fence_$fence is another fence"; bad=1; }
done
exit "${bad-0}"
