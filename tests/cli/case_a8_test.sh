#!/usr/bin/env bash
# Case A8: labelled tables as people have them. What is taken for label and text is said.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
tokenizer=$HINDSCAN_ROOT/models/english/tokenizer.json
learn=(train --task classify --arch mamba --d-model 16 --n-layer 1 --steps 60 --sequences 8 --lr 1e-2 --warmup 4 --gemm f32 --tokenizer "$tokenizer")
python3 - <<'PY'
import csv, random
random.seed(1)
def text(good):
    words = [random.choice("the a cat dog moon sat ran on in it".split()) for _ in range(random.randint(4, 9))]
    words[random.randrange(len(words))] = "wonderful" if good else "dreadful"
    return " ".join(words)
rows = [(100 + i, i % 2, text(i % 2)) for i in range(80)]
rows[9] = (109, 1, rows[1][2])  # one review comes twice
with open("three.tsv", "w") as f:
    f.write("id\tsentiment\treview\n")
    f.writelines(f"{i}\t{'pos' if s else 'neg'}\t{t}\n" for i, s, t in rows)
with open("bare.tsv", "w") as f:
    f.writelines(f"{i}\t{s}.0\t{t}\n" for i, s, t in rows)
with open("quoted.csv", "w", newline="") as f:
    w = csv.writer(f, quoting=csv.QUOTE_ALL)
    w.writerow(["review", "sentiment"])
    w.writerows([t.replace(" ", ", ", 1) + ' "so\n there"', "pos" if s else "neg"] for _, s, t in rows)
with open("unsure.tsv", "w") as f:
    f.writelines(f"{s}\t{i % 3}\t{t}\n" for i, s, t in rows)
PY

expect 0 "${learn[@]}" --labels three.tsv --out three --json
holds grep -q 'note: three.tsv: 80 sequences; the label is column 2 "sentiment", the text column 3 "review"; line 1 names the columns' err
holds test "$(grep -c '80 sequences' err)" = 1 # by the user's name, once
holds grep -q 'note: three.tsv: 2 classes: neg, pos' err
expect 0 classify -m three/model --labels three.tsv --json
holds python3 -c 'import json; assert json.load(open("out"))["accuracy"] > 0.95'
expect 0 "${learn[@]}" --labels bare.tsv --valid bare.tsv --out bare --json
holds grep -q 'the label is column 2, the text column 3' err
holds grep -q '2 classes: 0.0, 1.0' err
holds python3 -c 'import json; assert json.load(open("out"))["held_out"]["accuracy"] > 0.95'
expect 0 "${learn[@]}" --labels quoted.csv --out quoted --json
holds grep -q 'note: quoted.csv: 80 sequences; the label is column 2 "sentiment", the text column 1 "review"' err
expect 0 classify -m quoted/model --labels quoted.csv --json
holds python3 -c 'import json; d = json.load(open("out")); assert d["accuracy"] > 0.95 and d["examples"] == 80'

# What does not show is asked for, before anything is trained; the flags it names settle it.
expect_error 2 "give the number of the label column and of the text column" "${learn[@]}" --labels unsure.tsv --out unsure
expect 0 "${learn[@]}" --labels unsure.tsv --label-column 1 --text-column 3 --out unsure --json
expect 0 classify -m unsure/model --labels unsure.tsv --label-column 1 --json
finish
