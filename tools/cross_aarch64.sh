#!/usr/bin/env bash
# Cross-compiles everything for 64-bit ARM in a Debian 12 of its own, so that the host keeps its packages. Nothing is run: an end without
# error says that every source compiles and links there, not that results are right. Seen so far: CONTRIBUTING.md, preset aarch64.
# tools/cross_aarch64.sh [FOLDER]: as root; FOLDER (default build/aarch64-root) keeps the system between calls.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
system=$(realpath -m "${1:-$root/build/aarch64-root}")
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
(($(id -u) == 0)) || { echo "cross_aarch64: run as root (chroot and apt need it)" >&2; exit 69; }
command -v debootstrap >/dev/null || { echo "cross_aarch64: debootstrap is missing; apt-get install debootstrap" >&2; exit 69; }
source "$root/tools/setup.sh"  # the lists of libraries

inside() { chroot "$system" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
if [[ ! -e $system/.ready ]]; then
  rm -rf "$system"
  mkdir -p "$system"
  debootstrap --variant=minbase bookworm "$system" "$mirror" >"$system.log"
  inside dpkg --add-architecture arm64
  inside apt-get -qq update
  inside apt-get -qq -y --no-install-recommends install g++-aarch64-linux-gnu cmake ninja-build pkg-config python3 file \
    "${libraries[@]/%/:arm64}" "${test_libraries[@]/%/:arm64}" >>"$system.log" 2>&1 || { tail -n 20 "$system.log"; exit 1; }
  touch "$system/.ready"
fi
mkdir -p "$system/source"
find "$system/source" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +  # files that are gone would still be compiled
tar -C "$root" --exclude ./build --exclude ./.git --exclude ./.venv --exclude ./runs -cf - . | tar -C "$system/source" -xf -
inside sh -c 'cd /source && cmake --preset aarch64 >/dev/null && ninja -C build/aarch64 -j "$(nproc)" --quiet all'
inside file /source/build/aarch64/bin/hindscan
inside sh -c 'file /source/build/aarch64/tests/* | grep -c "ELF 64-bit LSB.*ARM aarch64"' | xargs echo "test programs that linked:"
