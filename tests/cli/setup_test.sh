#!/usr/bin/env bash
# What run.sh says before it is the program: a newcomer should know why nothing happens yet.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# set_up_with FUNCTIONS: set_up of tools/setup.sh in a clone of nothing, with parts of it replaced; its output in ./err.
set_up_with() {
  root=$work/clone bash -euc 'source "$0"; install_packages() { :; }; configure_build() { :; }; eval "$1"; set_up OFF hindscan' \
    "$HINDSCAN_ROOT/tools/setup.sh" "$1" 2>err
}
mkdir -p clone/build/release/bin bin

holds set_up_with 'build_targets() { :; }'
holds test ! -s err
flock clone/build/.lock sh -c 'touch locked; sleep 1' &
while [[ ! -e locked ]]; do sleep 0.05; done
holds set_up_with 'build_targets() { :; }'
holds grep -q "waiting for another run.sh or test.sh" err
wait

# A build that has COUNT steps left.
# shellcheck disable=SC2016
ninja='ninja() { [[ " $* " == *" -n "* ]] || return 0; for i in $(seq "$count"); do echo "[$i/$count] x"; done; }'
printf '#!/bin/sh\n' >clone/build/release/bin/hindscan
chmod +x clone/build/release/bin/hindscan
holds set_up_with "count=1; $ninja"
holds test ! -s err
holds set_up_with "count=40; $ninja"
holds grep -q "building 40 files" err
finish
