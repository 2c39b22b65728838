#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: every C file is as clang-format 14 writes it (.clang-format); `./dev format`
# does it. Other versions write other things, so without that one the check is skipped. Runs at
# the top of the tree; prints the files that differ and fails if there is one.
set -euo pipefail

format=
for candidate in clang-format-14 clang-format; do
	if command -v "$candidate" >/dev/null && "$candidate" --version | grep -q 'version 14\.'; then
		format=$candidate
		break
	fi
done
[[ $format ]] || { echo "skipped: no clang-format 14 here"; exit 77; }
find shm producer consumer tools bench tests docs python \( -name '*.[ch]' -o -name '*.cc' \) -print0 | sort -z |
	xargs -0 "$format" --dry-run -Werror || { echo "run: ./dev format"; exit 1; }
