#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Arguments go to ctest, e.g. -R Arena.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$root/tools/setup.sh"
set_up ON all
exec ctest --test-dir "$build" --output-on-failure --no-tests=error "$@"
