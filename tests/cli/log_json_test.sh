#!/usr/bin/env bash
# --log json: everything on standard error is one JSON object a line with a level, whatever the command and its end.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
text="Once upon a time there was a cat."

# log_holds EXPRESSION: every line of ./err is an object with time, level and message; all of them are d in EXPRESSION.
log_holds() {
  holds python3 - "$1" <<'PY'
import json, re, sys
d = [json.loads(line) for line in open("err", encoding="utf-8")]
for x in d:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", x["time"]), x
    assert x["level"] in ("info", "warning", "error") and x["message"], x
assert eval(sys.argv[1]), (sys.argv[1], d)
PY
}

printf 'a %s\nb %s\n' "$text" "$text" >lines.txt
for command in "explain -p x -o page.html" "effects --tokens 5,6,7 -o e.npz" "matrix --tokens 5,6,7 --layer 0 -o m.npy" "logits --tokens 5,6 -o l.npy"; do
  # shellcheck disable=SC2086
  expect 0 $command -m "$model" --log json
  log_holds 'len(d) >= 1 and all(x["level"] == "info" for x in d) and any("wrote" in x["message"] for x in d)'
done
for command in "run -p x -n 2" "score -p xy" "info"; do
  # shellcheck disable=SC2086
  expect 0 $command -m "$model" --log=json
  log_holds 'all(x["level"] == "info" for x in d)'
done
expect 0 run -m "$model" -p x -n 2 -v --log json
log_holds 'len(d) >= 1'

# Errors, also those from before the flags are understood, carry the exit code and stay on one line.
for command in "explain" "run" "score" "effects" "matrix" "logits" "train" "classify" "info"; do
  expect 2 "$command" --nonsense --log json
  log_holds 'len(d) == 1 and d[0]["level"] == "error" and d[0]["exit_code"] == 2'
done
expect 2 nonsense --log json
log_holds 'd[-1]["level"] == "error" and d[-1]["exit_code"] == 2'
expect 66 info -m $'no\nwhere\xff"' --log json
log_holds 'len(d) == 1 and d[0]["exit_code"] == 66'
expect 2 run -m "$model" -p x --log loud
holds grep -q 'hindscan: error' err
expect 0 run -m "$model" -p x -n 2 -q --log json
holds test ! -s err

# A warning of the library keeps its level: a damaged checkpoint is skipped.
train=(train --task induction --arch rnn --d-model 8 --n-layer 1 --sequences 1 --length 8 --out run --log json)
expect 0 "${train[@]}" --steps 2
log_holds 'True'
expect 0 train --resume run --steps 4 --log json
printf x >>run/ckpt-0000004/model.safetensors
expect 0 train --resume run --steps 6 --log json
log_holds 'any(x["level"] == "warning" and "ckpt-0000004" in x["message"] for x in d)'
holds test ! -e json
finish
