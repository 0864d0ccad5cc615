#!/usr/bin/env bash
# A model another program trained, as its authors publish it.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=${HINDSCAN_DATA:-$HINDSCAN_ROOT/../shared/data}/weights/rwkv7-reverse/260123_reverse_L2_only_rwkv7.pth
if [[ ! -e $model ]]; then
  echo "skipped: no data"
  exit 77
fi
printf '0123456789,#\n' >digits.txt
expect 0 run -m "$model" --tokenizer digits.txt -p '12345,' -n 6 --greedy
out_has '54321#'
expect 0 info -m "$model" --check
out_has 'rwkv7'
finish
