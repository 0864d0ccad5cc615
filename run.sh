#!/usr/bin/env bash
# Installs what is missing, builds, and runs hindscan with the given arguments; with none, explains an example sentence.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$root/tools/setup.sh"
set_up OFF hindscan
(($#)) || set -- explain -p "The old woman looked at the stranger and shook her"
exec "$program" "$@"
