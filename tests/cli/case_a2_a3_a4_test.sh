#!/usr/bin/env bash
# Cases A2, A3, A4: one encoding of a text everywhere, with a tokenizer that sets BOS before every text.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
with_bos() { # FOLDER: its tokenizer gets a post-processor
  python3 - "$1/tokenizer.json" <<'PY'
import json, sys
t = json.load(open(sys.argv[1]))
t["post_processor"] = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                       "pair": [], "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}}
json.dump(t, open(sys.argv[1], "w"))
PY
}
plain=$(make_model)
cp -r "$plain" bos
with_bos bos
text="Once upon a time there was a cat"

# A whole text has BOS, however it comes.
expect 0 logits -m bos -p "$text"
cp out whole
ids=$(python3 - "$HINDSCAN" "$plain" "$text" <<'PY'
import json, subprocess, sys
r = subprocess.run([sys.argv[1], "explain", "-m", sys.argv[2], "-p", sys.argv[3], "--method", "row", "--edits", "0", "--json"], capture_output=True, check=True)
print(",".join(str(t["id"]) for t in json.loads(r.stdout)["tokens"]))
PY
)
expect 0 logits -m "$plain" --tokens "0,$ids"
holds cmp out whole
expect 0 logits -m "$plain" --tokens "$ids"
holds test -n "$(cmp out whole)"
printf '%s' "$text" >text.txt
expect 0 logits -m bos -f text.txt
holds cmp out whole

# What the tokenizer sets in front is no word that could be taken out.
expect 0 explain -m bos -p "$text" --json
holds python3 - <<'PY'
import json
d = json.load(open("out"))
found = next(m for m in d["methods"] if m["name"] == "scan")["found"]
assert found[0] is None and found[-1] is None and all(found[1:-1]), found
PY
expect 0 explain -m bos -p "$text"
holds test -z "$(grep 'really run' out | grep endoftext)"

# A3: nothing stands before the second piece, and two pieces are one text to the last bit. (In float32 the products of
# nine rows and of four round differently; the reference mode does not.)
expect 0 logits -m bos -p "$text" --dtype f64
cp out whole64
expect 0 run -m bos -p "Once upon a time" -n 0 --state-out half.state --dtype f64
expect 0 logits -m bos -p " there was a cat" --state-in half.state --dtype f64
holds cmp out whole64
expect 0 run -m bos -p "Once upon a time" -n 0 --state-out half.state
expect 0 logits -m bos -p " there was a cat" --state-in half.state
holds python3 - <<'PY'
a, b = ([float(l.split()[1]) for l in open(f)] for f in ("out", "whole"))
assert len(a) == len(b) == 4096 and all(abs(x - y) < 1e-5 for x, y in zip(a, b))
PY
expect 0 explain -m bos -p " there was a cat" --state-in half.state --method row --edits 0 --json
holds python3 -c 'import json; assert json.load(open("out"))["tokens"][0]["text"] == " there"'

# A state from before any token, as tuned ones are, is followed by the beginning of a text.
holds python3 - <<'PY'
import json, struct
raw = open("half.state", "rb").read()
size = struct.unpack("<Q", raw[:8])[0]
header = json.loads(raw[8:8 + size])
header["__metadata__"]["tokens"] = "0"
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
open("tuned.state", "wb").write(struct.pack("<Q", len(text)) + text + raw[8 + size:])
PY
counted() {  # the tokens of the text after a state, as the command tells them
  expect 0 "$@" -m bos -p " there was a cat" --json
  python3 -c 'import json; d = json.load(open("out")); print(d.get("prompt_tokens") or d.get("count") or d.get("rows") or len(d["tokens"]))'
}
for command in "run -n 0" "score" "matrix -o m.npy" "explain --method row --edits 0"; do
  read -ra words <<<"$command"
  begun=$(counted "${words[@]}" --state-in tuned.state)
  continued=$(counted "${words[@]}" --state-in half.state)
  holds test "$begun" -eq $((continued + 1))
done
for state in tuned half; do
  expect 0 logits -m bos -p " there was a cat" --state-in "$state.state" -o "$state.npy"
done
holds test "$(stat -c %s tuned.npy)" -eq $(($(stat -c %s half.npy) + 4096 * 4))

# A4: names of tokens are encoded without BOS.
expect 0 explain -m bos -p "$text" --target-token " time" --contrast " dog" --method frozen --edits 0 --json
holds python3 -c 'import json; t = json.load(open("out"))["target"]; assert (t["text"], t["contrast_text"]) == (" time", " dog"), t'
expect 0 run -m bos -p "$text" -n 40 --temp 1 --seed 2 --json
holds python3 - <<'PY'
import json
d = json.load(open("out"))
assert len(d["tokens"]) > 5
open("stop", "w").write(d["tokens"][4]["text"])
PY
expect 0 run -m bos -p "$text" -n 40 --temp 1 --seed 2 --json --stop "$(cat stop)"
holds python3 -c 'import json; d = json.load(open("out")); assert d["stop"] == "stop" and len(d["tokens"]) <= 5, d'

# A2: training, --lines, --labels, -p and explain judge the same tokens.
python3 - <<'PY'
import random
random.seed(1)
with open("labels.tsv", "w") as f:
    for i in range(120):
        words = [random.choice("the a cat dog moon sat ran on in it".split()) for _ in range(random.randint(3, 9))]
        words[random.randrange(len(words))] = "wonderful" if i % 2 else "dreadful"
        f.write(" ".join(words) + "\t" + ("good" if i % 2 else "bad") + "\n")
PY
expect 0 train --task classify --arch mamba --d-model 16 --n-layer 1 --steps 60 --sequences 8 --lr 1e-2 --warmup 4 --gemm f32 \
  --pooling first --labels labels.tsv --tokenizer bos/tokenizer.json --out constant --json
expect 0 classify -m constant/model --labels labels.tsv --json
holds python3 -c 'import json; a = json.load(open("out"))["accuracy"]; assert a <= 0.75, a' # the first token is BOS, always
expect 0 train --task classify --arch mamba --d-model 16 --n-layer 1 --steps 60 --sequences 8 --lr 1e-2 --warmup 4 --gemm f32 \
  --labels labels.tsv --tokenizer bos/tokenizer.json --out trained --json
cut -f 1 labels.tsv >lines.txt
expect 0 classify -m trained/model --lines lines.txt --json
cp out lines.json
expect 0 classify -m trained/model --labels labels.tsv --json
cp out accuracy.json
first=$(head -1 lines.txt)
expect 0 classify -m trained/model -p "$first" --json
cp out one.json
expect 0 explain -m trained/model -p "$first" --method frozen --edits 0 --json
holds python3 - <<'PY'
import json
lines, one, seen = (json.load(open(f)) for f in ("lines.json", "one.json", "out"))
assert lines["sequences"][0]["probabilities"] == one["sequences"][0]["probabilities"]
p = max(one["sequences"][0]["probabilities"])
assert abs(seen["target"]["probability"] - p) < 1e-5, (seen["target"], p)
assert seen["tokens"][0]["text"] == "<|endoftext|>" and seen["tokens"][1]["text"] != "<|endoftext|>"
labels = [l.rstrip("\n").split("\t")[1] for l in open("labels.tsv")]
right = sum(s["label"] == l for s, l in zip(lines["sequences"], labels)) / len(labels)
assert abs(right - json.load(open("accuracy.json"))["accuracy"]) < 1e-9 and right > 0.9, right
PY
finish
