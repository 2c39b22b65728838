#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: `pip install ./python` in a fresh environment is all it takes, as docs/python.md says:
# package.sh PYTHON SOURCE FOLDER. The wheel is of the stable ABI, needs nothing but libc, works in each
# later Python that is here, and `python -m ringdex` shows it. Its type stubs say what is there (mypy's
# stubtest), and its modules keep to them. A free-threaded one gets a wheel of its own. With msgspec, as
# engines have it, its structs are walked, with numpy its arrays are read. Exit status 77: no package
# registry can be reached.
set -euo pipefail
unset PYTHONPATH

python=$1 source=$2 folder=$3
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
"$python" -c 'import venv, ensurepip' 2>/dev/null || { echo "skipped: no venv (python3-venv)"; exit 77; }
"$python" -m venv venv
venv/bin/pip download -q --no-deps --retries 1 --timeout 10 -d reached scikit-build-core==1.1.2 \
	>/dev/null 2>&1 || { echo "skipped: no package registry"; exit 77; }

venv/bin/pip wheel -q --no-deps -w wheels "$source/python"
wheel=$(echo wheels/ringdex-*-cp311-abi3-linux_*.whl)
[[ -e $wheel ]] || { echo "not of the stable ABI:"; ls wheels; exit 1; }
venv/bin/pip install -q "$wheel" msgspec==0.22.0 numpy==2.4.6 mypy==2.4.1
extension=$(echo venv/lib/python3*/site-packages/ringdex/_ringdex.abi3.so)
needed=$(readelf -d "$extension" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -vE '^(libc\.so|ld-linux)' ||
	true)
[[ -z $needed ]] || { echo "it needs more than libc: $needed"; exit 1; }
exported=$(nm -D --defined-only "$extension" | awk '{ print $3 }')
[[ $exported == PyInit__ringdex ]] || { echo "it exports $exported"; exit 1; }
ls venv/lib/python3*/site-packages/ringdex/{py.typed,_ringdex.pyi} >/dev/null

venv/bin/python -m mypy.stubtest ringdex._ringdex
venv/bin/python -m mypy --strict --ignore-missing-imports -p ringdex # without the engines

venv/bin/python -c 'from importlib.metadata import entry_points
for group in ("vllm.general_plugins", "sglang.srt.plugins"):
    entry_points(group=group)["ringdex"].load()()'
venv/bin/python -m ringdex | tee round.txt
grep -q '0 different' round.txt
for other in python3.12 python3.13 python3.14; do
	"$other" -c '' 2>/dev/null || continue
	PYTHONPATH=$(dirname "$(dirname "$extension")") "$other" -m ringdex >/dev/null
	echo "$other: the same wheel"
done
for other in python3.13t python3.14t; do
	"$other" -c 'import venv, ensurepip' 2>/dev/null || continue
	tag=cp${other//[!0-9]/}
	"$other" -m venv "$other"
	"$other/bin/pip" wheel -q --no-deps -w wheels "$source/python"
	"$other/bin/pip" install -q wheels/ringdex-*-"$tag-${tag}t"-linux_*.whl
	for subject in batch engines follow lost misuse options publish times; do
		RDX_TEST_DIR=$folder "$other/bin/python" -B "$source/tests/python/test_$subject.py"
	done
	echo "$other: a wheel of its own"
done
for subject in batch publish; do
	RDX_TEST_DIR=$folder venv/bin/python -B "$source/tests/python/test_$subject.py"
done
