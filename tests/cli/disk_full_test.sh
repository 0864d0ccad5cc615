#!/usr/bin/env bash
# A disk that fills up while a file is written: exit 74, the old file untouched, nothing half-written beside it.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
mkdir small
if ! mount -t tmpfs -o size=256k tmpfs small 2>/dev/null; then
  echo "skipped: cannot mount a small file system here"
  exit 77
fi
trap 'umount "$work/small"; rm -rf "$work"' EXIT

echo "the old one" >small/l.npy
expect 74 logits -m "$model" --tokens 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20 -o small/l.npy
holds grep -q "the old one" small/l.npy
holds test "$(find small -mindepth 1 | wc -l)" = 1
head -c 250K /dev/zero >small/filler
expect 74 explain -m "$model" -p "Once upon a time" --method frozen -o small/page.html
expect 74 run -m "$model" -p "Once upon a time" -n 1 --state-out small/x.state
holds test "$(find small -mindepth 1 | wc -l)" = 2
finish
