#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: build one client and run it: run.sh CLIENT INSTALLED FOLDER CC [CXX]
# CLIENT is one of those at the end; INSTALLED is a prefix, the only place where the library is
# looked for; FOLDER is emptied and written to. Exit status 77: no toolchain.
set -euo pipefail

client=$1 installed=$2 folder=$3 cc=$4 cxx=${5-}
here=$(cd "$(dirname "$0")" && pwd)
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
	need go
	version=$(go env GOVERSION)
	version=${version#go1.}
	((${version%%.*} >= 21)) || { echo "skipped: go before 1.21 has no runtime.Pinner"; exit 77; }
	cp "$here"/go/* .
	export GOCACHE=$folder/cache GOPATH=$folder/path GOFLAGS=-mod=mod GOPROXY=off
	CGO_ENABLED=1 CC=$cc go build -o client .
	run ./client
	;;
rust)
	need cargo
	sizes
	cp -r "$here"/rust/. .
	cargo build --offline
	run target/debug/client
	;;
*)
	echo "no such client: $client" >&2
	exit 2
	;;
esac
