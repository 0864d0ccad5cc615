#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Arguments go to ctest, e.g. -R Arena.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$root/tools/setup.sh"
set_up ON all
# Several tests run at once: waiting threads should not keep a core busy.
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-5000}
results=$build/tests.xml
rm -f "$results"
run_tests() {
  ctest --test-dir "$build" -j "$(nproc)" --no-tests=error --output-junit "$results" --output-log "$build/tests.log" "$@"
}
# How far it is: on a terminal as it goes, everywhere else in a line now and then; then what went wrong and a closing line.
code=0
if [[ -t 1 ]]; then
  run_tests --progress "$@" || code=$?
else
  run_tests "$@" 2>&1 | progress_lines "tested" >/dev/null || code=$?
fi
[[ -f $results ]] || { say "no test ran; ctest ended with $code, see $build/tests.log"; exit 1; }
python3 -B "$root/tools/test_summary.py" "$results" || exit 1
exit "$code"
