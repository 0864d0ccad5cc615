#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Arguments go to ctest, e.g. -R Arena.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$root/tools/setup.sh"
set_up ON all
# Several tests run at once: waiting threads should not keep a core busy.
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-5000}
# A terminal sees how far it is; everything else only what went wrong and one closing line.
quiet=(--quiet)
[[ -t 1 ]] && quiet=(--progress)
results=$build/tests.xml
rm -f "$results"
code=0
ctest --test-dir "$build" -j "$(nproc)" --no-tests=error "${quiet[@]}" --output-junit "$results" \
  --output-log "$build/tests.log" "$@" || code=$?
[[ -f $results ]] || { say "no test ran; ctest ended with $code, see $build/tests.log"; exit 1; }
python3 -B "$root/tools/test_summary.py" "$results" || exit 1
exit "$code"
