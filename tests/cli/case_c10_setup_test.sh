#!/usr/bin/env bash
# A clone with an odd name is built through a link: it must lie in a folder that nobody else can have prepared.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# set_up_in VARIABLE=VALUE...: what tools/setup.sh makes of a clone named "odd & clone"; its output in ./out and ./err.
set_up_in() {
  checks=$((checks + 1))
  # shellcheck disable=SC2016
  env -i PATH="$PATH" root="$work/odd & clone" "$@" bash -euc 'source "$0"; printf "%s\n" "$root"' \
    "$HINDSCAN_ROOT/tools/setup.sh" >out 2>err
}
mkdir "odd & clone" shared home

set_up_in TMPDIR="$work/shared" || fail "no home at all"
folder=$work/shared/hindscan-$(id -u)
holds test "$(stat -c '%a %u' "$folder")" = "700 $(id -u)"
holds test "$(readlink "$(cat out)")" = "$work/odd & clone"
set_up_in TMPDIR="$work/shared" || fail "a second time"
holds test "${folder}" = "$(dirname "$(cat out)")"

refused() {
  set_up_in TMPDIR="$work/shared" && fail "$1 was trusted"
  holds grep -q "XDG_CACHE_HOME" err
  holds test ! -s out
}
chmod 755 "$folder" && refused "a folder that others can list"
rm -r "$folder" && mkdir elsewhere && chmod 700 elsewhere && ln -s "$work/elsewhere" "$folder" && refused "a link"
rm "$folder" && : >"$folder" && refused "a file"
if (($(id -u) == 0)); then
  rm "$folder" && mkdir -m 700 "$folder" && chown 65534 "$folder" && refused "a folder of somebody else"
fi

set_up_in HOME="$work/home" || fail "with a home"
holds test "$(dirname "$(cat out)")" = "$work/home/.cache/hindscan"
set_up_in HOME="$work/home" XDG_CACHE_HOME="$work/cache" || fail "with a cache folder"
holds test "$(dirname "$(cat out)")" = "$work/cache/hindscan"
finish
