#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: documents that cannot rot. Relative links in *.md lead to files; the tree in
# docs/architecture.md names every source file and no other; every label of an ordering edge
# in shm/, producer/ and consumer/ stands in docs/memory-model.md, and the other way round;
# tests that documents name (`fault/kill_reader`, test_life_is_the_lock) exist. Runs at the
# top of the tree; prints each violation and fails if there is one.
set -euo pipefail
# shellcheck source=tests/checks/violation.sh
. "${BASH_SOURCE%/*}/violation.sh"

folders=(shm producer consumer tools bench python)
tree=docs/architecture.md
edges=docs/memory-model.md
label='\b[RLBSCVGPENTKQ][0-9]\b'

documents() {
	find . \( -path ./build -o -name '.?*' -type d \) -prune -o -name '*.md' -print | sort
}

# FILE: TARGET for each relative link that leads nowhere
broken_links() {
	local document target
	while IFS= read -r document; do
		while IFS= read -r target; do
			target=${target%%#*}
			[[ -n $target && $target != *://* && $target != mailto:* ]] || continue
			[[ -e ${document%/*}/$target ]] || printf '%s: %s\n' "$document" "$target"
		done < <(grep -oE '\]\([^) ]+\)' "$document" | sed 's/^](//; s/)$//')
	done < <(documents)
}

# Paths that the tree names: a line that ends in "/" is a folder; below it, two blanks and a
# name, and more endings for the same name ("ring.h .c").
named() {
	awk '
	/^[a-z_]+(\/[a-z_]+)*\/$/ { folder = $0; next }
	/^(```|[^ ])/ { folder = "" }
	folder && /^  [a-z]/ {
		name = $1
		print folder name
		for (i = 2; $i ~ /^\.[a-z]+$/; i++) {
			sub(/\.[a-z]+$/, $i, name)
			print folder name
		}
	}' "$tree" | sort
}

sources() {
	find "${folders[@]}" \( -name '*.[ch]' -o -name '*.cc' \) | sort
}

labels_in() { # FILE-OR-FOLDER...
	grep -rhoE "$label" --include='*.[ch]' --include='*.md' "$@" | sort -u
}

# What documents call `LABEL/NAME` or test_NAME, and tests/ does not have
missing_tests() {
	local name
	while IFS= read -r name; do
		[[ -e tests/${name%/*}/test_${name#*/}.c ]] ||
			grep -qsw "${name#*/}" tests/checks/CMakeLists.txt || printf '%s\n' "$name"
	done < <(documents | xargs grep -hoE '`(unit|property|process|fault)/[a-z0-9_]+`' |
		tr -d '`' | sort -u)
	while IFS= read -r name; do
		[[ -e tests/python/$name.py || -e tests/daemon/$name.py ]] || grep -rqw --include='*.c' "$name" tests ||
			printf '%s\n' "$name"
	done < <(documents | xargs grep -hoE '\btest_[a-z0-9_]+\b' | sort -u)
}

[[ -f $tree && -f $edges ]] || { echo "no $tree or $edges in $PWD" >&2; exit 2; }
violation "links that lead nowhere" "$(broken_links)"
violation "add a line to $tree for" "$(comm -23 <(sources) <(named))"
violation "$tree names, but there is not" "$(comm -13 <(sources) <(named))"
violation "edges that $edges does not have" \
	"$(comm -23 <(labels_in shm producer consumer) <(labels_in "$edges"))"
violation "edges only in $edges" \
	"$(comm -13 <(labels_in shm producer consumer) <(labels_in "$edges"))"
violation "tests that do not exist" "$(missing_tests)"
exit $bad
