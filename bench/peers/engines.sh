#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# engines.sh DIR: an interpreter in DIR with what the engines' publishers import, and in DIR/wheels their
# own modules, of which nothing is linked and nothing is in this repository. 380 MB are fetched, 120 KB kept.
set -euo pipefail
out=$1
packages=(msgspec==0.22.0 pyzmq==27.3.0 pydantic==2.14.4 psutil==7.2.2)
vllm=0.33.0
sglang=0.5.23
is_there=$out/wheels/vllm-$vllm-sglang-$sglang

[[ ! -e $is_there ]] || exit 0
rm -rf "$out"
python3 -m venv "$out"
"$out/bin/python" -m pip install -q --disable-pip-version-check "${packages[@]}"
fetched=$(mktemp -d "$out/fetched-XXXXXX")

fetch() { # NAME VERSION MODULE...
	local name=$1 version=$2
	shift 2
	"$out/bin/python" -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: \
		-d "$fetched" "$name==$version"
	"$out/bin/python" -c '
import sys, zipfile
wheel, folder, *names = sys.argv[1:]
zipfile.ZipFile(wheel).extractall(folder, names)
' "$fetched/$name"-*.whl "$out/wheels" "$@"
}

fetch vllm $vllm vllm/config/kv_events.py vllm/distributed/kv_events.py
fetch sglang $sglang sglang/srt/disaggregation/kv_events.py sglang/srt/utils/network.py
rm -rf "$fetched"
touch "$is_there"
