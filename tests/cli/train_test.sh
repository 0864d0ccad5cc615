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
expect_error 2 "expected one of a model, a config and an arch" train --data data.txt --out other
expect_error 2 "expected one of data and a task" train --config tiny.json --out other
expect 0 train --resume parts --export exported
expect 0 score -m exported -p "The cat sat on the mat."

# Labelled texts and feature vectors: learnt, judged, explained; wrong files are refused by line.
python3 - <<'PY'
import random, struct
random.seed(1)
for name, n in (("labels.tsv", 200), ("held.tsv", 60)):
    with open(name, "w") as f:
        for i in range(n):
            good = i % 2
            words = [random.choice("the a cat dog moon sat ran on in it".split()) for _ in range(random.randint(3, 9))]
            words[random.randrange(len(words))] = "wonderful" if good else "dreadful"
            f.write(" ".join(words) + "\t" + ("good" if good else "bad") + "\n")
def npy(name, descr, shape, code, values):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, shape)
    head += " " * (-(len(head) + 11) % 64) + "\n"
    open(name, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + struct.pack("<%d%s" % (len(values), code), *values))
y = [i % 3 for i in range(60)]
npy("y.npy", "<i8", "(60,)", "q", y)
npy("x.npy", "<f4", "(60, 4, 2)", "f", [v for c in y for _ in range(4) for v in (c + random.gauss(0, .1), 1 - c)])
npy("many.npy", "<f4", "(1, 4, 3)", "f", [0] * 12)
PY
classify=(--task classify --arch mamba --d-model 16 --n-layer 1 --steps 80 --sequences 8 --lr 1e-2 --warmup 4 --gemm f32)
expect 0 train "${classify[@]}" --labels labels.tsv --valid held.tsv --tokenizer "$tokenizer" --out sentiment --json
out_is_json
holds python3 -c 'import json, sys; assert json.load(open("out"))["held_out"]["accuracy"] > 0.95'
expect 0 classify -m sentiment/model -p "a wonderful cat" --json
out_is_json
holds python3 -c 'import json, sys; assert json.load(open("out"))["sequences"][0]["label"] == "good"'
printf 'a dreadful dog\nthe wonderful moon\n' >lines.txt
expect 0 classify -m sentiment/model --lines lines.txt
holds test "$(cut -f 2 out | tr '\n' ' ')" = "bad good "
expect 0 classify -m sentiment/model --labels held.tsv
holds grep -q "accuracy" out
expect 0 info -m sentiment/model
holds grep -q "2 class scores a sequence: bad, good" out
expect 0 explain -m sentiment/model -p "the wonderful moon"
out_has "to be the class of the text"
expect 0 explain -m sentiment/model -p "the wonderful moon" --json
out_is_json
expect_error 65 "classifier" run -m sentiment/model -p "The"
printf 'fine\tgood\nso so\tmedium\nbad\tgood\n' >unknown.tsv
expect_error 65 "line 2" classify -m sentiment/model --labels unknown.tsv
expect_error 2 "name the file of their labels" train "${classify[@]}" --tokenizer "$tokenizer" --out none
expect 0 train "${classify[@]}" --labels y.npy --features x.npy --valid y.npy --valid-features x.npy --out vectors --json
holds python3 -c 'import json, sys; assert json.load(open("out"))["held_out"]["accuracy"] > 0.95'
expect 0 classify -m vectors/model --features x.npy
holds test "$(wc -l <out)" = 60
expect 0 explain -m vectors/model --features x.npy
out_has "was not tried: this model reads vectors"
expect 0 explain -m vectors/model --features x.npy --details
out_has "to be the class of the vectors"
out_has "causal  none: vectors"
out_has " rank     pos  vector "
expect_error 65 "many.npy" classify -m vectors/model --features many.npy
expect_error 2 "--features" classify -m vectors/model -p "text"
expect_error 65 "language model" classify -m whole/model -p "text"

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
sys.exit(process.returncode != 130 or "stopped by a signal at step" not in out)
PY
expect 0 train --resume signalled --max-seconds 0.01
# Before its end a run has no model: it says how to go on, and how to have one.
out_has "stopped by --max-seconds at step"
out_has "hindscan train --resume signalled goes on; with --export DIR"
expect 0 train --resume signalled --export early
expect 0 info early

# What it says to do next works, and a preset knows all of its own keys.
expect 0 train --arch hybrid --d-model 16 --n-layer 2 --task induction --steps 1 --length 32 --batch 1 --out hybrid
holds test ! -s err
out_has "--tokens 1,2,3"
expect 0 run -m hybrid/model --tokens 1,2,3 -n 1
expect 0 train --arch lstm --d-model 16 --n-layer 1 --task induction --steps 1 --length 32 --batch 1 --out lstm
expect 0 matrix -m lstm/model --tokens 1,2,3 -o lstm.npy
holds grep -q "its gates count as the constants they were" err
finish
