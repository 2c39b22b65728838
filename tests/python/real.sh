#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: the package as it was installed by package.sh, inside the publisher modules of vLLM 0.33.0
# and 0.22.1 and SGLang 0.5.23: real.sh SOURCE FOLDER PROGRAMS TEST [real]. With `real` they are the
# engines' own, fetched once from the package registry (640 MB, of which a few modules are kept), else
# what is recorded of them. Exit status 77: there is no package registry, or no installed package.
set -euo pipefail
unset PYTHONPATH

source=$1 folder=$2 programs=$3 subject=$4 form=${5-recorded}
engines=${folder%/*}/engines # package.sh begins with an empty folder
[[ -x $folder/venv/bin/pip ]] || { echo "skipped: package.sh has installed nothing"; exit 77; }
cd "$folder"

fetch() { # NAME VERSION MODULE...
	local name=$1 version=$2 to=$engines/$1-$2
	shift 2
	[[ ! -d $to ]] || return 0
	rm -rf wheel
	echo "fetch $name $version"
	venv/bin/pip download -q --no-deps --retries 1 --timeout 30 -d wheel "$name==$version" ||
		{ echo "skipped: $name $version cannot be had from a package registry"; exit 77; }
	venv/bin/python -c 'import sys, zipfile
zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2], sys.argv[3:])' wheel/*.whl wheel/modules "$@"
	rm wheel/*.whl
	mkdir -p "$engines"
	mv wheel/modules "$to"
}

venv/bin/pip install -q --retries 1 --timeout 30 msgspec==0.22.0 pyzmq==27.3.0 pydantic==2.14.4 \
	psutil==7.2.2 || { echo "skipped: no package registry"; exit 77; }
if [[ $form == real ]]; then
	for version in 0.33.0 0.22.1; do
		fetch vllm $version vllm/config/kv_events.py vllm/distributed/kv_events.py \
			vllm/plugins/__init__.py
	done
	fetch sglang 0.5.23 sglang/srt/disaggregation/kv_events.py sglang/srt/utils/network.py \
		sglang/srt/managers/scheduler_components/kv_events_publisher.py \
		sglang/srt/plugins/__init__.py sglang/srt/plugins/hook_registry.py
	export RDX_ENGINES=$engines
fi
RDX_TEST_DIR=$folder RDX_BIN=$programs exec venv/bin/python -B "$source/tests/python/test_$subject.py"
