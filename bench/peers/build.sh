#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the peers that can be built here, to build/peers/bin/QUESTION-PEER, where bench/run.sh
# finds them. What a peer lacks is named; it is left out then. README.md says what each is.
set -euo pipefail
cd "${BASH_SOURCE%/*}/../.."

out=$PWD/build/peers
bin=$out/bin
rust_questions=(apply lookup ingest memory clear check)
rust_peers=(crtc chainindex radixtree)

say() {
	printf 'peers: %s\n' "$*" >&2
}

# The Rust crates of Cargo.toml: indexes as one program with a name for each question and peer,
# and iceoryx2 as a library.
build_rust() {
	local question peer
	if ! command -v cargo >/dev/null; then
		say "cargo is missing (Rust 1.89 or newer): ${rust_peers[*]} and iceoryx2 are left out"
		return
	fi
	PEERS_RUSTC=$(rustc --version | cut -d ' ' -f 1,2) cargo build --release \
		--manifest-path bench/peers/Cargo.toml --target-dir "$out/cargo"
	for question in "${rust_questions[@]}"; do
		for peer in "${rust_peers[@]}"; do
			ln -sf ../cargo/release/peers-index "$bin/$question-$peer"
		done
	done
}

build_c() {
	cmake -S bench/peers -B "$out/cmake" -G Ninja -DCMAKE_BUILD_TYPE=Release \
		"-DPEERS_BIN=$bin" "-DPEERS_CARGO=$out/cargo/release"
	cmake --build "$out/cmake"
}

# The engines' own publishers, for bench-engines: modules of wheels, nothing is built.
fetch_engines() {
	if ! bench/peers/engines.sh "$out/engines"; then
		rm -rf "$out/engines"
		say "wheels of vLLM and SGLang, or what they need of Python, cannot be had: they are left out"
	fi
}

# Dynamo's stand-alone indexer, for bench-http: likewise.
fetch_indexer() {
	if ! bench/peers/indexer.sh "$out/indexer"; then
		rm -rf "$out/indexer"
		say "the wheel of Dynamo's indexer cannot be had: it is left out"
	fi
}

mkdir -p "$bin"
build_rust
build_c
fetch_engines
fetch_indexer
say "built: $(cd "$bin" && echo *)"
