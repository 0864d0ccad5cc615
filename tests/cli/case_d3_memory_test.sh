#!/usr/bin/env bash
# Case D3: --mem-limit is what the whole process may take, weights included: held, or refused before.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$HINDSCAN_ROOT/models/english
"$HINDSCAN" --version --json | grep -q '"Release"' || { echo "skipped: not a release build, whose memory is no measure"; exit 77; }
python3 -c 'print("Once upon a time there was a little girl who lived in a house. " * 60)' >long.txt

# measured MEGABYTES ARGUMENTS...: runs the program; 99 when it took more.
measured() {
  python3 -B "$HINDSCAN_ROOT/tests/cli/measure.py" "$1" 600 "$HINDSCAN" "${@:2}" -t 1 >out 2>err </dev/null
}

# bounded MEBIBYTES ARGUMENTS...: refused with 71, or done in as much.
held=0 refused=0
bounded() {
  local limit=$1 code
  shift
  checks=$((checks + 1))
  measured "$(python3 -c "print($limit * 1.048576)")" "$@" --mem-limit "${limit}M"
  code=$?
  case $code in
    0) held=$((held + 1)) ;;
    71) refused=$((refused + 1)) && grep -q "MiB\|GB\|bytes" err || fail "no number in the refusal of $*" ;;
    *) fail "hindscan $* --mem-limit ${limit}M : exit $code" ;;
  esac
}

# peak ARGUMENTS...: the MiB that a run without a limit takes.
peak() {
  python3 - "$HINDSCAN" "$@" -t 1 <<'PY'
import os, resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, capture_output=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
PY
}

# estimated ARGUMENTS...: what matrix says it needs is what it takes beside the program and the model, or up to twice that.
estimated() {
  local least said took
  checks=$((checks + 1))
  least=$(peak matrix "${@:1:2}" --tokens 1 -o m.npy)
  took=$(($(peak matrix "$@" -o m.npy) - least))
  "$HINDSCAN" matrix "$@" -o m.npy --mem-limit "$((least + 40))M" >out 2>err </dev/null
  said=$(grep -o 'and [0-9]* MiB' err | grep -o '[0-9]*')
  ((said >= took && said <= 2 * took)) || fail "matrix $*: said $said MiB, took $took"
}

for limit in 20 50 100 150 250; do
  bounded "$limit" explain -m "$model" -f long.txt --edits 0
  bounded "$limit" explain -m "$model" -f long.txt
  bounded "$limit" explain -m "$model" -f long.txt --method usual,integrated-gradients:steps=2,leave-one-out:tokens=4
  bounded "$limit" matrix -m "$model" -f long.txt --layer 0 --blocks 16 -o m.npy
  bounded "$limit" logits -m "$model" -f long.txt -o l.npy
done
# One piece that is long, and the keys and values of attention.
python3 -c 'import random; random.seed(1); print("Once upon a time " * 200 + "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=2500)) + " and she said")' >blob.txt
bounded 250 explain -m "$model" -f blob.txt
expect 0 train --arch llama --d-model 64 --n-layer 2 --steps 1 --batch 1 --length 16 --tokenizer "$model/tokenizer.json" --data long.txt --out llama
for _ in 1 2 3; do cat long.txt; done >longer.txt
bounded 110 explain -m llama/model -f longer.txt --edits 0 --method scan:by=token
expect_error 71 "[--mem-limit] expected at least" explain -m "$model" -p "The cat" --mem-limit 1M
head -c 60M /dev/zero | tr '\0' a >big.txt
expect_error 71 "[big.txt] expected at most" logits -m "$model" -f big.txt --mem-limit 100M
expect_error 71 "[big.txt] expected at most" logits -m "$model" --tokens @big.txt --mem-limit 100M
# A pipe has no size to look at before: no more of it is held than the limit allows.
checks=$((checks + 1))
yes hello | python3 -B "$HINDSCAN_ROOT/tests/cli/measure.py" "$(python3 -c 'print(300 * 1.048576 * 1.1)')" 600 \
  "$HINDSCAN" logits -m "$model" --mem-limit 300M -t 1 >out 2>err
(($? == 71)) || fail "a pipe without an end"
for device in /dev/zero /dev/urandom /dev/full; do
  expect_error 65 "[$device] expected a file or a pipe, found a device" score -m "$model" -f "$device"
  expect_error 65 "[$device] expected a file or a pipe, found a device" info -m "$device"
  expect_error 65 "[$device] expected a file or a pipe, found a device" run -m "$model" -p a --state-in "$device"
done
expect_error 65 "[/dev/null] expected some text" score -m "$model" -f /dev/null
((held >= 4)) || fail "expected some requests to be done, found $held"
((refused >= 4)) || fail "expected some requests to be refused, found $refused"

# A text that fits as bytes takes several times as much while it becomes ids.
head -c 40M big.txt >one-word.txt
yes "th the " | head -c 20M | tr -d '\n' >words.txt
for limit in 130 200; do
  bounded "$limit" matrix -m "$model" -f one-word.txt --layer 0 --blocks 16 -o m.npy
  bounded "$limit" matrix -m "$model" -f words.txt --layer 0 --blocks 16 -o m.npy
done
# Beside the numbers that are kept there is a block of rows of the whole vocabulary, 64 MiB here.
held=0 refused=0
many=$(make_model many-words)
for limit in 80 100 120 140 180; do bounded "$limit" logits -m "$many" -f long.txt; done
((held >= 1)) || fail "expected some logits of many words, found none"
((refused >= 1)) || fail "expected some logits of many words to be refused, found none"

estimated -m "$model" -f long.txt --layer 0 --blocks 16
"$HINDSCAN" train --task induction --arch mamba2 --d-model 64 --n-layer 2 --steps 1 --out run -q >out 2>err || fail "no mamba2"
python3 -c 'print(",".join(str(t % 10) for t in range(5000)))' >ids.txt
estimated -m run/model --tokens @ids.txt --layer -1 --blocks 16
estimated -m run/model --tokens @ids.txt --layer -1 --fidelity mixer --rows -300: --cols 0:300
finish
