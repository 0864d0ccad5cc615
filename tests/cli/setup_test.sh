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

# Long work says now and then how far it is; what is no step is passed on.
lines() { (source "$HINDSCAN_ROOT/tools/setup.sh" && progress_lines "$@") >passed 2>err; }
root=$work/clone
holds lines built 0 < <(printf '%s\n' '[1/3] Building a.o' 'a.cpp: warning' '[3/3] Linking')
holds diff - passed <<<'a.cpp: warning'
holds diff - err <<'END'
hindscan: built 1 of 3
hindscan: built 1 of 3
hindscan: built 3 of 3
END
holds lines tested 0 < <(printf '%s\n' '      Start  1: A.b' ' 1/20 Test  #1: A.b .........   Passed    0.01 sec' \
  ' 2/20 Test #13: A.c ...***Failed    0.02 sec' ' 3/20 Test  #4: A.d ....***Skipped   0.01 sec')
holds grep -qx "hindscan: tested 3 of 20, 1 failed" err
holds lines built 100 < <(printf '%s\n' '[1/3] Building a.o' '[2/3] Building b.o')
holds test ! -s err
# Also while one step takes long.
holds lines built 1 < <(echo '[1/3] Building a.o'; sleep 2.5)
holds test "$(grep -c 'built 1 of 3' err)" -ge 2
finish
