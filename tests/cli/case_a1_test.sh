#!/usr/bin/env bash
# Case A1: numbers that are none end every command with exit code 65 and a name, soon; training with 1.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
huge=$(make_model huge)
expect 0 run -m "$model" --tokens 7,8,9 -n 0 --state-out sound.state

# A state file of another number: the header stays, every float is replaced.
spoil() {
  python3 - "$1" "$2" <<'END'
import struct, sys
data = open("sound.state", "rb").read()
begin = 8 + struct.unpack("<Q", data[:8])[0]
count = (len(data) - begin) // 4
open(sys.argv[1], "wb").write(data[:begin] + struct.pack("<f", float(sys.argv[2])) * count)
END
}
all_commands() {
  local code=$1 text=$2
  shift 2
  for command in run logits score "explain --edits 0" explain; do
    # shellcheck disable=SC2086
    expect_error "$code" "$text" $command "$@" --tokens 7,8,9,10
  done
  expect_error "$code" "$text" matrix "$@" --tokens 7,8,9,10 --layer 1 -o m.npy
  holds test ! -e m.npy
}
for bad in nan inf -inf; do
  spoil bad.state "$bad"
  all_commands 65 "expected a state of finite numbers" -m "$model" --state-in bad.state
done
spoil large.state 3e38
all_commands 65 "expected finite numbers" -m "$model" --state-in large.state
all_commands 65 "layer 0" -m "$huge"
expect_error 65 "layer 0" run -m "$huge" --tokens 7,8 -n 0 --state-out never.state
holds test ! -e never.state

# Training that leaves the finite numbers stops, says so, and keeps what was good.
printf 'the cat sat on the mat %.0s' {1..200} >text.txt
expect 1 train -m "$model" --data text.txt --lr 1e20 --warmup 0 --clip 0 --steps 4 --batch 2 --length 16 --out run
holds grep -q "last good checkpoint is run/ckpt-0000000" err
holds test ! -e run/model
holds test -d run/ckpt-0000000
expect 0 train --resume run --export kept
expect 0 info -m kept --check
finish
