#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: build one client or example and run it: run.sh CLIENT INSTALLED FOLDER CC [CXX]
# CLIENT is one of those at the end; INSTALLED is a prefix, the only place where the library and its
# programs are looked for; FOLDER is emptied and written to. RDX_EXAMPLES is where the examples in C
# were built. Exit status 77: no toolchain.
set -euo pipefail

client=$1 installed=$2 folder=$3 cc=$4 cxx=${5-}
here=$(cd "$(dirname "$0")" && pwd)
examples=$here/../../docs/examples
libdir=$(dirname "$(find "$installed" -name libringdex.so)")
export PKG_CONFIG_PATH=$libdir/pkgconfig
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"

need() { # PROGRAM...
	local program
	for program; do
		command -v "$program" >/dev/null || { echo "skipped: no $program"; exit 77; }
	done
}

# Each program in a namespace of its own, below the build tree.
run() { # PROGRAM...
	local namespace
	namespace=$(mktemp -d "$folder/namespace-XXXXXX")
	LD_LIBRARY_PATH=$libdir "$@" "$namespace" | grep -qx ok
}

# One example, with the other half in C.
example() { # publish|lookup PROGRAM...
	local half=$1 namespace
	local publish=$RDX_EXAMPLES/example-publish lookup=$RDX_EXAMPLES/example-lookup
	shift
	printf -v "$half" '%s' "$*"
	namespace=$(mktemp -d "$folder/namespace-XXXXXX")
	LD_LIBRARY_PATH=$libdir "$examples/run.sh" "$RDX_EXAMPLES" "$namespace" "$publish" "$lookup"
}

# Go as it is needed here.
go_build() { # FOLDER
	need go
	cp "$1"/* .
	export GOCACHE=$folder/../go-cache GOPATH=$folder/path GOFLAGS=-mod=mod GOPROXY=off
	CGO_ENABLED=1 CC=$cc go build -o client .
}

# The sizes that the header gives, for languages that write the structures down again.
sizes() {
	# shellcheck disable=SC2046 # pkg-config says words
	"$cc" -o sizes "$here/c/client.c" $(pkg-config --cflags --libs ringdex)
	LD_LIBRARY_PATH=$libdir ./sizes --sizes >sizes.txt
	export RINGDEX_SIZES=$folder/sizes.txt
}

flags=(-Wall -Wextra -Wpedantic -Werror)
# shellcheck disable=SC2046
case $client in
c_shared)
	"$cc" -std=c11 "${flags[@]}" -o client "$here/c/client.c" $(pkg-config --cflags --libs ringdex)
	readelf -d client | grep -q 'NEEDED.*libringdex\.so\.[0-9]'
	run ./client
	;;
c_static)
	"$cc" -std=c11 "${flags[@]}" -static -o client "$here/c/client.c" \
		$(pkg-config --static --cflags --libs ringdex)
	run ./client
	;;
c_find_package)
	cmake -S "$here/c" -B build "-DCMAKE_PREFIX_PATH=$installed" "-DCMAKE_C_COMPILER=$cc"
	cmake --build build
	run build/client_ringdex
	run build/client_static
	;;
c_subdirectory)
	for way in add fetch; do
		cmake -S "$here/subproject" -B "$way" "-DRINGDEX_SOURCE=$here/../.." "-DWAY=$way" \
			"-DCMAKE_C_COMPILER=$cc"
		cmake --build "$way" -j 2
		run "$way/client_ringdex"
		run "$way/client_static"
	done
	;;
cxx11 | cxx20)
	[[ -n $cxx ]] || { echo "skipped: no C++ compiler"; exit 77; }
	"$cxx" "-std=c++${client#cxx}" "${flags[@]}" -o client "$here/cxx/client.cc" \
		$(pkg-config --cflags --libs ringdex)
	run ./client
	;;
python)
	need python3
	sizes
	run python3 "$here/python/client.py"
	;;
go)
	go_build "$here/go"
	run ./client
	;;
rust)
	need cargo
	sizes
	cp -r "$examples"/rust/. .
	cp -r "$here"/rust/. .
	cargo build --offline
	run target/debug/client
	;;
example_cxx)
	[[ -n $cxx ]] || { echo "skipped: no C++ compiler"; exit 77; }
	"$cxx" -std=c++17 -pthread "${flags[@]}" -o publish "$examples/publish_threads.cc" \
		$(pkg-config --cflags --libs ringdex)
	example publish ./publish
	;;
example_go)
	go_build "$examples/go"
	example lookup ./client
	;;
example_rust)
	need cargo
	cp -r "$examples"/rust/. .
	cargo build --offline
	example lookup target/debug/lookup
	;;
example_python)
	need python3
	python3 -c 'import ringdex' || { echo "skipped: the Python package is not built"; exit 77; }
	example lookup python3 "$examples/lookup.py"
	;;
*)
	echo "no such client: $client" >&2
	exit 2
	;;
esac
