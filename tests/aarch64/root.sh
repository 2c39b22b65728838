#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Unpacks Debian's arm64 libraries that ringdex needs into build/aarch64-root. Runs at the top of
# the tree, as anyone: the system's own packages and architectures stay as they are. Exits 77 where
# the package source has none.
set -euo pipefail

root=$PWD/build/aarch64-root
packages=(liburing-dev liburing2 libmd-dev libmd0 libcmocka-dev libcmocka0 libxxhash-dev libxxhash0
	libjson-c-dev libjson-c5 libsmartcols-dev libsmartcols1)

[[ ! -e $root/complete ]] || exit 0
rm -rf "$root"
mkdir -p "$root"/apt/{lists,archives}/partial "$root/apt/packages"
: >"$root/apt/status"
apt=(-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=
	-o Acquire::Languages=none -o "Dir::State=$root/apt" -o "Dir::State::status=$root/apt/status"
	-o "Dir::Cache=$root/apt")
log=$root/apt/log.txt
# a source without arm64 fails here, which is no matter if another has it
apt-get "${apt[@]}" update >"$log" 2>&1 || true
if ! (cd "$root/apt/packages" && apt-get "${apt[@]}" download "${packages[@]}") >>"$log" 2>&1; then
	tail -n 1 "$log"
	echo "the package source has no arm64 libraries: nothing is built for aarch64"
	exit 77
fi
for package in "$root"/apt/packages/*.deb; do
	dpkg -x "$package" "$root"
done
rm -r "$root/apt"
: >"$root/complete"
