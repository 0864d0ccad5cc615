#!/usr/bin/env bash
# What README shows is what its command prints.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
python3 -B "$HINDSCAN_ROOT/tests/cli/readme.py" "$HINDSCAN_ROOT/README.md" "$HINDSCAN" || fail "README"
checks=$((checks + 1))
finish
