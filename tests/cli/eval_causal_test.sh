#!/usr/bin/env bash
# hindscan eval causal: tables with intervals, the worst said first, the same numbers in JSON; what it refuses, and how it stops.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
for i in $(seq 40); do echo "The old man number $i went into the wood. There he saw a bird, and it sang all night to him!"; done >book.txt
few=(--texts 6 --tokens 6..10 --alternatives 3 --masks 8)

expect 0 eval causal -m "$model" -f book.txt "${few[@]}" -o causal.json
out_has "6 texts of"
holds grep -q '^Worst: ' out
for kind in replace-plausible remove replace-random drop-write; do holds grep -q "^$kind: " out; done
out_has "it ran these edits itself: nothing is foretold"
for row in 1/distance "other half" "random order" "ridge surrogate" "single edits"; do out_has "$row"; done
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
assert all(6 <= t["tokens"] <= 10 and t["file"] == 0 for t in document["texts"])
assert document["files"] == [{"name": "book.txt", "texts": 6}] and document["skill_by_file"] == []
dropped = [row["name"] for row in document["kinds"][3]["rows"]]
assert "row-logit" in dropped and not {"half", "scan", "leave-one-out"} & set(dropped), dropped
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

# Files of three kinds: equal shares, a table of each, one text of the first kind more.
for i in $(seq 40); do echo "FIRST SERVANT: Speak, my lord number $i! SECOND SERVANT: No, for the night is long and I must sing." >>play.txt; done
for i in $(seq 40); do echo "Reuters - Shares of firm $i fell on Friday. The bank said that it would not buy any more of them." >>news.txt; done
genres=(-f book.txt -f play.txt -f news.txt --texts 16 --tokens 6..8 --alternatives 2 --masks 4)
expect 0 eval causal -m "$model" "${genres[@]}" --method frozen,row -o genres.json
out_has ": 6 of book.txt, 5 of play.txt, 5 of news.txt;"
out_has "replace-plausible: skill on the texts of each file"
out_has "no method here foretells what such an edit does, so none was run"
holds grep -q "^  *book.txt  *play.txt  *news.txt$" out
holds /usr/bin/python3 - "$HINDSCAN_ROOT/docs/schemas/eval-causal-1.json" <<'PY'
import json, pathlib, sys
from jsonschema import Draft202012Validator
d = json.loads(pathlib.Path("genres.json").read_text())
assert not list(Draft202012Validator(json.loads(pathlib.Path(sys.argv[1]).read_text())).iter_errors(d))
assert [f["texts"] for f in d["files"]] == [6, 5, 5] == [sum(t["file"] == i for t in d["texts"]) for i in range(3)]
text = [pathlib.Path(f["name"]).read_bytes() for f in d["files"]]
assert all(t["at"] < len(text[t["file"]]) for t in d["texts"])
assert [t["kind"] for t in d["skill_by_file"]] == ["replace-plausible", "remove"]
for table in d["skill_by_file"]:
    assert "frozen" in [r["name"] for r in table["rows"]] and "row" not in [r["name"] for r in table["rows"]]
    for row in table["rows"]:
        assert len(row["skill"]) == 3 and all(f["interval"] and f["interval"][0] <= f["value"] <= f["interval"][1] for f in row["skill"]), row
PY
expect_error 2 "at least one text of each of 3 files" eval causal -m "$model" -f book.txt -f play.txt -f news.txt --texts 2
expect_error 2 "found one named twice" eval causal -m "$model" -f book.txt -f book.txt
expect_error 2 "found one named twice" eval causal -m "$model" -f book.txt -f ./book.txt
expect_error 2 "expected once, found 2 times" eval causal -m "$model" -f book.txt --method half --method row
expect_error 2 "expected something after it, found nothing" eval causal -m "$model" -f
expect_error 2 "its window and tail" eval causal -m "$model" -f book.txt --method scan:by=word
expect 0 eval causal -m "$model" -f book.txt --texts 2 --tokens 6 --alternatives 1 --masks 2 --method leave-one-out:tokens=5,frozen
out_has "2 texts of 6 tokens;"
holds test "$(awk '{ if (/^ *[a-z1-9\/:=-]* *[-.0-9 ]+$/ && length($0) > 112) n++ } END { print n + 0 }' out)" = 0
for i in $(seq 20); do printf 'Caf\xe9 o\xf9 tout est d\xe9j\xe0 pass\xe9, pr\xe8s du ch\xe2teau.\n'; done >latin.txt
expect 0 eval causal -m "$model" -f latin.txt --texts 2 --tokens 6..8 --alternatives 1 --masks 2 --method frozen
holds grep -q "pieces of latin.txt are not valid UTF-8" err
expect_error 65 "[book.txt] expected 20 texts of 300 to 300" eval causal -m "$model" -f book.txt -f play.txt --texts 40 --tokens 300..300
: >empty.txt
expect_error 65 "[empty.txt]" eval causal -m "$model" -f book.txt -f empty.txt "${few[@]}"
cp play.txt input.json
expect_error 2 "one this command reads" eval causal -m "$model" -f book.txt -f input.json -o input.json
mkdir -p other && cp play.txt other/book.txt
expect 0 eval causal -m "$model" -f book.txt -f other/book.txt "${few[@]}" --method frozen
out_has "3 of book.txt, 3 of other/book.txt"

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
