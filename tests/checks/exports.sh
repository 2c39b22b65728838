#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: the shared library exports what the public headers declare with RDX_API, and
# nothing else; package/ringdex.map lists it; no function has the name of a structure; no
# constant needs a macro of another header. Runs at the top of the tree:
#   exports.sh LIBRARY SONAME HEADER...
set -euo pipefail
# shellcheck source=tests/checks/violation.sh
. "${BASH_SOURCE%/*}/violation.sh"

library=$1 soname=$2
shift 2
map=package/ringdex.map

declared() {
	cat "$@" | tr '\n' ' ' | grep -oE 'RDX_API[^;(]*\(' | grep -oE 'rdx_[a-z_]+\(' | tr -d '(' | sort
}
exported() {
	nm -D --defined-only "$library" | sed -n 's/^[0-9a-f]* [TDRBVW] \([^@]*\).*/\1/p' | sort
}
listed() {
	grep -oE '^[[:space:]]rdx_[a-z_]+;' "$map" | tr -d '\t;' | sort
}

violation "declared, not exported by $library" "$(comm -23 <(declared "$@") <(exported))"
violation "exported by $library, in no public header" "$(comm -13 <(declared "$@") <(exported))"
violation "$map and the public headers differ in" "$(comm -3 <(declared "$@") <(listed))"
violation "a function and a structure" \
	"$(comm -12 <(declared "$@") <(grep -hoE '^struct rdx_[a-z_]+' "$@" | cut -d' ' -f2 | sort -u))"
violation "no literal: a binding cannot read it" "$(grep -nE '^#define.*U?INT64_C' "$@" || true)"
[[ $(readelf -d "$library" | grep SONAME) == *"[$soname]"* ]] ||
	violation "SONAME is not $soname" "$(readelf -d "$library" | grep SONAME || echo none)"
exit $bad
