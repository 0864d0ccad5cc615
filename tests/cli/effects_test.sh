#!/usr/bin/env bash
# hindscan effects: the words, the document, the arrays and the picture say the same; what it refuses, and how it stops.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
text="The old woman looked at the stranger and shook her"

expect 0 effects -p "$text"
out_has "Nothing is an estimate."
out_has "\"shook\""
holds grep -qE '^ *8 shook ' out
holds grep -qE '^next head ' out
holds grep -qE 'times less likely$' out
holds test "$(awk 'length($0) > 80 { n++ } END { print n + 0 }' out)" = 0
holds test "$(grep -ci nan out)" = 0
COLUMNS=200 CLICOLOR_FORCE=1 expect 0 effects -p "$text"
holds grep -q $'\x1b\[' out

for by in word token; do
  expect 0 effects -p "$text" --by "$by" -o "$by.json" -o "$by.npz" -o "$by.png"
done
expect 0 effects -p "$text" --json
cat >check.py <<'PY'
import io, json, math, pathlib, struct, sys, zipfile
from jsonschema import Draft202012Validator
schema = json.loads(pathlib.Path(sys.argv[1]).read_text())
Draft202012Validator.check_schema(schema)
def array(path, name):
    raw = zipfile.ZipFile(path).read(name + ".npy")
    size = struct.unpack_from("<H", raw, 8)[0]
    header = eval(raw[10:10 + size])
    code = {"<f8": "d", "<i4": "i"}[header["descr"]]
    return header["shape"], struct.unpack(f"<{math.prod(header['shape'])}{code}", raw[10 + size:])
for by in ("word", "token"):
    d = json.loads(pathlib.Path(by + ".json").read_text())
    assert not [e.message for e in Draft202012Validator(schema).iter_errors(d)], by
    n = len(d["columns"])
    assert d["by"] == by and len(d["rows"]) == n == len(d["lost"]) and [len(row) for row in d["lost"]] == list(range(1, n + 1))
    assert d["lost"][0] == [None] and all(math.isfinite(x) for row in d["lost"][1:] for x in row)
    assert [r["text"] for r in d["rows"][:-1]] == [c["text"] for c in d["columns"][1:]]
    assert d["rows"][-1]["text"] == d["next"]["text"] == " head" and d["sentence"].endswith("Nothing is an estimate.")
    shape, lost = array(by + ".npz", "lost")
    asked = array(by + ".npz", "asked")[1]
    assert shape == (n, n) and array(by + ".npz", "next")[1] == (d["next"]["id"],)
    assert array(by + ".npz", "tokens")[1] == tuple(t["id"] for t in d["tokens"])
    assert array(by + ".npz", "log_p")[1] == tuple(r["log_p"] for r in d["rows"])
    for r in range(n):
        for c in range(n):
            want = d["lost"][r][c] if c <= r else None
            assert asked[r * n + c] == (want is not None) and lost[r * n + c] == (want or 0), (by, r, c)
    picture = pathlib.Path(by + ".png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n" and min(struct.unpack(">II", picture[16:24])) > 600
one, two = json.loads(pathlib.Path("out").read_text()), json.loads(pathlib.Path("word.json").read_text())
one.pop("seconds"), two.pop("seconds")
assert one == two, "words are taken out without --by"
PY
holds /usr/bin/python3 check.py "$HINDSCAN_ROOT/docs/schemas/effects-1.json"

# The last row is what leave-one-out and the scan find of the same answer, where gaps do not matter or are left.
expect 0 effects -p "$text" --by token --json
cp out effects.json
expect 0 explain -p "$text" --method scan:by=token --measure log-p --json --edits 0
holds python3 - <<'PY'
import json
e, d = json.load(open("effects.json")), json.load(open("out"))
scan = next(a for a in d["arrays"] if a["method"] == "scan:by=token")["values"]
assert d["target"]["text"] == e["next"]["text"]
assert all(abs(a - b) < 1e-4 for a, b in zip(e["lost"][-1][:-1], scan)), (e["lost"][-1], scan)
PY

# Ids without texts; a state from before; what a pipe brings.
expect 0 effects -m "$model" --tokens 5,6,7,8 --json
holds python3 -c 'import json; assert json.load(open("out"))["by"] == "token"'
expect 0 run -p "He opened the door" -n 0 --state-out half.state
expect 0 effects -p " and went into the" --json
cp out alone
expect 0 effects -p " and went into the" --state-in half.state --json
holds python3 -c 'import json; a, b = (json.load(open(p))["lost"] for p in ("alone", "out")); assert a != b'
printf 'The cat sat on the\n' | "$HINDSCAN" effects >out 2>err || fail "a pipe"
out_has "cat"

expect 0 effects --help
holds test "$(grep -n 'Examples:' out | cut -d: -f1)" -lt "$(grep -n 'Usage:' out | cut -d: -f1)"
expect_error 2 "ending in .png, .json or .npz" effects -p "$text" -o effects.html
expect_error 2 "at least two words" effects -p "The"
expect_error 2 "did you mean '--by'" effects -p "$text" --bi word
expect_error 71 "tokens to read" effects -p "$text" --max-tokens 5
printf 'day\tgood day\nnight\tbad night\nday\tfine day\nnight\tgrim night\n' >labels.tsv
expect 0 train --task classify --arch gru --d-model 8 --n-layer 1 --steps 1 --pooling mean --labels labels.tsv --tokenizer "$HINDSCAN_ROOT/models/english/tokenizer.json" --out judge
expect_error 65 "hindscan explain" effects -m judge/model -p "$text"

# Stopped: no file is left.
for i in $(seq 280); do printf 'He opened the door and went. '; done >long.txt
"$HINDSCAN" effects -f long.txt --by token -o late.json >out 2>err &
sleep 2
kill -TERM $!
wait $!
code=$?
checks=$((checks + 1))
((code == 143)) || fail "stopped: expected exit 143, found $code"
holds test ! -e late.json
finish
