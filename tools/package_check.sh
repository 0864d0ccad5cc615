#!/usr/bin/env bash
# Builds the Debian package, installs it with apt in a clean Debian 12 (debootstrap, minbase) and explains a text there as a normal user.
# tools/package_check.sh [BUILD]: as root; needs debootstrap and a Debian mirror (DEBIAN_MIRROR). BUILD is build/release by default.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=$(realpath "${1:-$root/build/release}")
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
(($(id -u) == 0)) || { echo "package_check: run as root (chroot and apt need it)" >&2; exit 69; }
for tool in debootstrap dpkg-shlibdeps cpack; do
  command -v "$tool" >/dev/null || { echo "package_check: $tool is missing; apt-get install debootstrap dpkg-dev cmake" >&2; exit 69; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/hindscan-package-XXXXXX")
clean_up() {
  mountpoint -q "$work/clean/proc" && umount "$work/clean/proc"
  rm -rf --one-file-system "$work"
}
trap clean_up EXIT

cmake --build "$build" --target hindscan
(cd "$build" && cpack -G DEB -B "$work/out" --config CPackConfig.cmake)
package=$(echo "$work"/out/*.deb)
dpkg-deb --info "$package"
dpkg-deb --contents "$package"

debootstrap --variant=minbase bookworm "$work/clean" "$mirror" >"$work/debootstrap.log" || { tail -n 20 "$work/debootstrap.log"; exit 1; }
inside() { chroot "$work/clean" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
mount -t proc proc "$work/clean/proc"
cp "$package" "$work/clean/tmp/hindscan.deb"
inside apt-get -qq update
inside apt-get -qq -y --no-install-recommends install /tmp/hindscan.deb >"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log"; exit 1; }
inside dpkg-query -W -f='${Package} ${Version} ${Installed-Size} kB\n' hindscan
inside useradd --create-home reader
as_reader() { inside runuser -u reader -- "$@"; }
as_reader hindscan --version
as_reader sh -c 'cd && hindscan explain -p "Once upon a time there was a little girl who lived in a" -o page.html -o page.png -o page.json' |
  tee "$work/explain.txt"
grep -q '^checked' "$work/explain.txt"
for file in page.html page.png page.json; do [[ -s $work/clean/home/reader/$file ]]; done
as_reader hindscan run -p "Once upon a time" -n 8
inside apt-get -qq -y purge hindscan >/dev/null
[[ ! -e $work/clean/usr/bin/hindscan && ! -e $work/clean/usr/share/hindscan ]]
echo "package check passed"
