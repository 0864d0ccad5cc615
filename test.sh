#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Arguments go to ctest, e.g. -R Arena.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$root/tools/setup.sh"
set_up ON all
# Several tests run at once: waiting threads should not keep a core busy.
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-5000}
exec ctest --test-dir "$build" -j "$(nproc)" --output-on-failure --no-tests=error "$@"
