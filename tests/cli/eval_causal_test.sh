#!/usr/bin/env bash
# hindscan eval causal: tables with intervals, the worst said first, the same numbers in JSON; what it refuses, and how it stops.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
for i in $(seq 40); do echo "The old man number $i went into the wood. There he saw a bird, and it sang all night to him!"; done >book.txt
few=(--texts 6 --tokens 6..10 --alternatives 3 --masks 8)

expect 0 eval causal -m "$model" -f book.txt "${few[@]}" -o causal.json
out_has "6 texts of"
holds grep -q '^Worst: ' out
for kind in replace-plausible remove replace-random; do holds grep -q "^$kind: " out; done
out_has "no method here foretells what such an edit does, so none was run"
out_has "it ran these edits itself: nothing is foretold"
for row in 1/distance "other half" "random order" "single edits"; do out_has "$row"; done
holds test "$(grep -ci nan out)" = 0
holds test "$(awk '{ if (/^ *[a-z1-9\/-]* *[-.0-9 ]+$/ && length($0) > 112) n++ } END { print n + 0 }' out)" = 0
cat >check.py <<'PY'
import json, pathlib, subprocess, sys
from jsonschema import Draft202012Validator
schema = json.loads(pathlib.Path(sys.argv[1]).read_text())
Draft202012Validator.check_schema(schema)
document = json.loads(pathlib.Path("causal.json").read_text())
errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in Draft202012Validator(schema).iter_errors(document)]
assert not errors, errors
names = [f["name"] for f in document["figures"]]
for kind in document["kinds"]:
    for row in kind["rows"]:
        assert list(row["figures"]) == names
        for name, f in row["figures"].items():
            assert f["value"] is None or f["interval"] is None or f["interval"][0] <= f["value"] <= f["interval"][1], (kind["name"], row["name"], name, f)
skills = [(row["figures"]["skill"]["value"], row["name"]) for kind in document["kinds"] for row in kind["rows"]
          if not row["reference"] and row["figures"]["skill"]["value"] is not None]
assert document["summary"][0].startswith("Worst: " + min(skills)[1]), document["summary"]
assert all(6 <= t["tokens"] <= 10 for t in document["texts"])
PY
holds /usr/bin/python3 check.py "$HINDSCAN_ROOT/docs/schemas/eval-causal-1.json"

# The same again, as one document; another seed draws other texts.
expect 0 eval causal "$model" -f book.txt "${few[@]}" --json
holds python3 -c 'import json
a, b = (json.load(open(f)) for f in ("out", "causal.json"))
assert a["kinds"] == b["kinds"] and a["many_tokens"] == b["many_tokens"] and a["texts"] == b["texts"]'
expect 0 eval causal "$model" -f book.txt "${few[@]}" --json --seed 1
holds python3 -c 'import json
assert json.load(open("out"))["texts"] != json.load(open("causal.json"))["texts"]'

# Every line a text of its own; a pipe; one method; too few texts for intervals.
head -n 3 book.txt | "$HINDSCAN" eval causal -m "$model" -f - --lines --texts 3 --tokens 10..60 --method frozen --alternatives 1 --json >out 2>err
holds python3 -c 'import json
d = json.load(open("out")); assert len(d["texts"]) == 3
rows = d["kinds"][0]["rows"]; assert [r["name"] for r in rows] == ["frozen", "1/distance"], rows
assert all(f["interval"] is None for r in rows for f in r["figures"].values())'

expect 0 eval causal --help
out_has "hindscan eval causal -f book.txt"
holds test "$(grep -n 'Examples:' out | cut -d: -f1)" -lt "$(grep -n 'Usage:' out | cut -d: -f1)"
expect 0 eval --help
out_has "hindscan eval causal"
expect 2 eval
expect_error 2 "did you mean 'causal'" eval casual
expect_error 2 "give -f FILE" eval causal -m "$model"
expect_error 66 "nothing.txt" eval causal -m "$model" -f nothing.txt
expect_error 65 "expected 30 texts of 400 to 500 tokens" eval causal -m "$model" -f book.txt --tokens 400..500
expect_error 2 "expected lengths" eval causal -m "$model" -f book.txt --tokens 9..x
expect_error 2 "shorter length first" eval causal -m "$model" -f book.txt --tokens 20..10
expect_error 2 "expected methods out of" eval causal -m "$model" -f book.txt --method magic
expect_error 2 "whose texts are whole lines" eval causal -m "$model" -f book.txt --lines --begin line
expect_error 2 "ending in .json" eval causal -m "$model" -f book.txt -o out.html
expect_error 71 "raise" eval causal -m "$model" -f book.txt --mem-limit 1M

# Classifiers of texts and of vectors predict no next token.
printf 'day\tgood day\nnight\tbad night\nday\tfine day\nnight\tgrim night\n' >labels.tsv
expect 0 train --task classify --arch gru --d-model 8 --n-layer 1 --steps 1 --pooling mean --labels labels.tsv --tokenizer "$HINDSCAN_ROOT/models/english/tokenizer.json" --out judge
expect_error 65 "expected a language model" eval causal -m judge/model -f book.txt

# Stopped: no file is left.
"$HINDSCAN" eval causal -m "$model" -f book.txt --texts 30 --tokens 8..12 --alternatives 400 --masks 4000 -o late.json >out 2>err &
sleep 2
kill -TERM $!
wait $!
code=$?
checks=$((checks + 1))
((code == 143)) || fail "stopped: expected exit 143, found $code"
holds test ! -e late.json
finish
