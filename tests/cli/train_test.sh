#!/usr/bin/env bash
# Training from the command line: a run, a stop by signal, a resumed run, an exported model.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cat >tiny.json <<'JSON'
{"model_type": "mamba", "hidden_size": 16, "num_hidden_layers": 1, "vocab_size": 4096, "state_size": 4, "eos_token_id": 0}
JSON
for i in $(seq 200); do printf 'The cat number %d sat on the mat and looked at the moon.\n<|endoftext|>\n' "$i"; done >data.txt
tokenizer=$HINDSCAN_ROOT/models/english/tokenizer.json
recipe=(--config tiny.json --tokenizer "$tokenizer" --data data.txt --valid data.txt --length 16 --sequences 2 --gemm f32 --eval-tokens 200)

expect 0 train "${recipe[@]}" --steps 8 --out whole --json
out_is_json
expect 0 info -m whole/model
expect 73 train "${recipe[@]}" --steps 8 --out whole
holds grep -q -- "--resume" err

# Stopped in the middle and resumed: the same losses to the last digit.
losses() { python3 -c 'import json, sys
for line in open(sys.argv[1]):
    d = json.loads(line)
    if "loss" in d and "lr" in d: print(d["step"], repr(d["loss"]))' "$1" | sort -n -u; }
expect 0 train "${recipe[@]}" --steps 8 --stop-after 3 --out parts
expect 0 train --resume parts --stop-after 8
losses whole/log.jsonl >a
losses parts/log.jsonl >b
holds test -s a
holds cmp a b
expect_error 2 "--length" train --resume parts --length 32
expect_error 66 "nowhere" train --resume nowhere
expect_error 2 "--config" train --data data.txt --out other
expect_error 2 "--data" train --config tiny.json --out other
expect 0 train --resume parts --export exported
expect 0 score -m exported -p "The cat sat on the mat."

# A signal saves and ends with its code.
checks=$((checks + 1))
python3 - "$HINDSCAN" train "${recipe[@]}" --steps 10000000 --out signalled <<'PY' || fail "SIGINT while training"
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
for _ in range(600):
    time.sleep(0.1)
    try:
        if len(open("signalled/log.jsonl").readlines()) > 5:
            break
    except OSError:
        pass
process.send_signal(signal.SIGINT)
out = process.communicate(timeout=60)[0].decode()
sys.exit(process.returncode != 130 or "checkpoint" not in out)
PY
expect 0 train --resume signalled --max-seconds 0.01
finish
