#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# indexer.sh DIR: into DIR the modules of Dynamo's stand-alone indexer, as they are in its wheel. Nothing is
# linked, nothing is in this repository; it needs none of what the wheel depends on. 50 MB are fetched.
set -euo pipefail
out=$1
package=ai-dynamo-runtime==1.6.1
is_there=$out/$package

[[ ! -e $is_there ]] || exit 0
rm -rf "$out"
python3 -m venv "$out/fetch"
"$out/fetch/bin/python" -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: \
	-d "$out/fetch/wheel" "$package"
"$out/fetch/bin/python" -m zipfile -e "$out"/fetch/wheel/*.whl "$out"
rm -rf "$out/fetch"
touch "$is_there"
