#!/usr/bin/env bash
# kill -9 on training runs, most of them while a checkpoint is written; the full count is `train_kill.py PROGRAM`.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
holds python3 -B "$HINDSCAN_ROOT/tests/cli/train_kill.py" "$HINDSCAN" --kills 6 --inside 3
finish
