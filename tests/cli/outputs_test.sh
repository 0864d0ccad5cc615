#!/usr/bin/env bash
# What each command prints and writes for a small model.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
text="Once upon a time there was a cat."

# value FILE EXPRESSION: of the JSON document d; fails when it is not true.
value() { python3 -c "import json, math, sys; d = json.load(open(sys.argv[1])); assert ($2), $2" "$1" 2>>err; }
# npy FILE SHAPE: little-endian float32 of that shape and all finite.
npy() {
  python3 - "$1" "$2" <<'PY' 2>>err
import ast, math, struct, sys
blob = open(sys.argv[1], "rb").read()
assert blob[:6] == b"\x93NUMPY", blob[:6]
size = struct.unpack("<H", blob[8:10])[0]
header = ast.literal_eval(blob[10 : 10 + size].decode())
assert header["descr"] == "<f4" and not header["fortran_order"], header
assert header["shape"] == ast.literal_eval(sys.argv[2]), header
data = blob[10 + size :]
count = math.prod(header["shape"])
assert len(data) == 4 * count and all(math.isfinite(x) for x in struct.unpack(f"<{count}f", data))
PY
}

expect 0 run -m "$model" -p "$text" -n 8
cp out first
expect 0 run "$model" -p "$text" -n 8
holds cmp -s out first
expect 0 run -m "$model" -p "$text" -n 8 --temp 1 --seed 7 --json
cp out first
out_is_json
expect 0 run -m "$model" -p "$text" -n 8 --temp 1 --seed 7 --json -t 1
holds python3 -c 'import json; a, b = (json.load(open(f)) for f in ("first", "out")); assert a["text"] == b["text"]'
printf '%s' "$text" >prompt.txt
expect 0 run -m "$model" -f prompt.txt -n 8
cp out from_file
expect 0 run -m "$model" -p "$text" -n 8
holds cmp -s out from_file

expect 0 score -m "$model" -p "$text" --json
holds value out 'd["perplexity"] > 1 and d["bits_per_byte"] > 0'
expect 0 score -m "$model" --tokens 1,2,3
expect 0 info -m "$model"
expect 0 info -m "$model" --json
out_is_json

for method in row rollout gradient-x-input frozen; do
  expect 0 explain -m "$model" -p "$text" --method "$method"
  expect 0 explain -m "$model" -p "$text" --method "$method" --json
  holds value out 'd["schema"] == "hindscan.explain/3"'
  holds value out "[m['name'] for m in d['methods']] == ['$method']"
  holds value out 'all(len(a["values"]) == len(d["tokens"]) for a in d["arrays"])'
  holds value out 'all(math.isfinite(s) for a in d["arrays"] for s in a["values"])'
done
# frozen is a decomposition of the target, rollout is not.
expect 0 explain -m "$model" -p "$text" --method frozen,rollout --json
holds value out 'abs(d["arrays"][0]["completeness"]["residual"]) < 1e-4 * max(1, abs(d["arrays"][0]["completeness"]["target"]))'
holds value out '[(a["method"], a["completeness"] is None) for a in d["arrays"]] == [("frozen", False), ("rollout", True)]'
holds value out 'len(d["layers"]) == 2 and all(l["max_residual"] < 1e-4 for l in d["layers"])'
expect 0 explain -m "$model" -p "$text" --target 3 --contrast none --method frozen --json
holds value out 'd["target"]["position"] == 3 and d["target"]["contrast_id"] is None'

for kind in html json png npz; do
  expect 0 explain -m "$model" -p "$text" --method row,frozen -o "page.$kind"
  holds test -s "page.$kind"
done
out_is_json page.json
holds python3 -c 'import zipfile; assert zipfile.ZipFile("page.npz").testzip() is None'
holds python3 -c 'assert open("page.png", "rb").read(8) == b"\x89PNG\r\n\x1a\n"'
holds python3 -c 'import re; t = open("page.html", encoding="utf-8").read(); assert not re.search(r"(src|href)=.?(https?:)?//|@import|url\(", t)'

expect 0 matrix -m "$model" --tokens 5,6,7,8,9,10 --layer 1 --map mean -o m.npy
holds npy m.npy "(6, 6)"
expect 0 matrix -m "$model" --tokens 5,6,7,8,9,10 --layer 0 --map 3 --rows 2:5 --cols 0:2 --fidelity mixer -o m.npy
holds npy m.npy "(3, 2)"
expect 0 matrix -m "$model" --tokens 5,6,7,8,9,10 --layer 0 --map positive --blocks 2 -o m.npy
holds npy m.npy "(2, 2)"
expect 0 logits -m "$model" --tokens 5,6,7 -o l.npy
holds npy l.npy "(3, 4096)"

# A state saved after the first half continues as if the text had never been cut.
expect 0 logits -m "$model" --tokens 5,6,7,8,9,10 -o whole.npy
expect 0 run -m "$model" --tokens 5,6,7 -n 0 --state-out half.state
expect 0 logits -m "$model" --tokens 8,9,10 --state-in half.state -o rest.npy
holds python3 -c 'import struct
a, b = (open(f, "rb").read() for f in ("whole.npy", "rest.npy"))
n = 3 * 4096
a, b = (struct.unpack(f"<{n}f", x[-4 * n:]) for x in (a, b))
assert all(abs(x - y) < 1e-4 for x, y in zip(a, b))'
finish
