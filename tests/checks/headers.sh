#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: each header compiles alone. Runs at the top of the tree:
#   headers.sh INCLUDE-FOLDER COMPILER-COMMAND PREFIX HEADER-OR-FOLDER...
# where `#include <PREFIX/HEADER>` is what is compiled, of a folder each header in it.
set -euo pipefail

folder=$1 compiler=$2 prefix=$3
shift 3
(($#)) || { echo "no header given" >&2; exit 2; }
headers=()
for argument; do
	if [[ -d $argument ]]; then
		headers+=("$argument"/*.h)
	else
		headers+=("$argument")
	fi
done
bad=0
for header in "${headers[@]}"; do
	# shellcheck disable=SC2086 # the command has arguments
	printf '#include <%s/%s>\n' "$prefix" "${header##*/}" |
		$compiler -I"$folder" -I. -Wall -Wextra -Wpedantic -Werror -fsyntax-only - ||
		{ echo "does not stand alone: $header"; bad=1; }
done
exit $bad
