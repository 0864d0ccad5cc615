#!/usr/bin/env bash
# Cases D7, D8, D9: what is printed may be copied, the program may be copied, and no flag is ignored.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
cat >tiny.json <<'JSON'
{"model_type": "mamba", "hidden_size": 16, "num_hidden_layers": 1, "vocab_size": 4096, "state_size": 4, "eos_token_id": 0}
JSON
for i in $(seq 100); do printf 'The cat number %d sat on the mat.\n<|endoftext|>\n' "$i"; done >data.txt
tokenizer=$HINDSCAN_ROOT/models/english/tokenizer.json
recipe=(train --config tiny.json --tokenizer "$tokenizer" --data data.txt --length 16 --sequences 2 --gemm f32 --steps 3)

# D7: the next command is one a shell takes as it stands.
expect 0 "${recipe[@]}" --out "new folder/it's"
next=$(sed -n 's/.*next: hindscan //p' out)
eval "set -- ${next/TEXT/\"The cat\"}"
expect 0 "$@" -n 2

# D9: a run that was finished has no loss to tell.
expect 0 train --resume "new folder/it's"
out_has "no step was left to do"
holds test -z "$(grep -i 'loss' out)"
expect 0 train --resume "new folder/it's" --json
holds python3 -c 'import json; d = json.load(open("out")); assert d["loss"] is None and d["steps"] == 3, d'

# One scored token has no error bar.
expect 0 score -m "$model" --tokens 5,6
holds test -z "$(grep -i nan out)"
out_has "one token scored"
expect 0 score -m "$model" --tokens 5,6 --json
holds python3 -c 'import json; d = json.load(open("out")); assert d["nll_standard_error"] is None and d["nll"] > 0, d'
expect 0 score -m "$model" --tokens 5,6,7
holds grep -qE 'nll [0-9.]+ \[[0-9.]+, [0-9.]+\]' out

# Compressed files are named, not trained on.
xz -k data.txt 2>/dev/null || printf '\xfd7zXZ\0\0\4' >data.txt.xz
expect_error 65 "an xz file; decompress it first" train --config tiny.json --tokenizer "$tokenizer" --data data.txt.xz --out packed
gzip -k data.txt
expect_error 65 "a gzip file" score -m "$model" -f data.txt.gz

# Flags that would be left out are refused.
printf 'a\nb\n' >lines.txt
printf 'a b\tx\nc d\ty\ne f\tx\ng h\ty\n' >labels.tsv
expect_error 2 "found several" classify -m "$model" -p a --lines lines.txt
expect_error 2 "found several" classify -m "$model" --lines lines.txt --labels labels.tsv
expect_error 2 "--label-column" classify -m "$model" --lines lines.txt --label-column 1
expect_error 2 "--sequence" explain -m "$model" -p a --sequence 1
expect_error 2 "--logprobs" run -m "$model" -p a --logprobs 3
expect_error 2 "--per-layer" explain -m "$model" -p a --per-layer
expect_error 2 "--estimator" explain -m "$model" -p a --method frozen --estimator key-dropping
expect_error 2 "--d-model" "${recipe[@]}" --d-model 64 --out x
expect_error 2 "--tokenizer" train -m "$model" --tokenizer "$tokenizer" --data data.txt --out x
expect_error 2 "--greedy" run -m "$model" -p a --greedy --temp 0.5
expect_error 2 "--forget" train --task classify --labels labels.tsv --arch mamba --tokenizer "$tokenizer" --forget 0.1 --out x
expect_error 2 "--pooling" "${recipe[@]}" --pooling mean --out x

# Bounds are said in few digits, and the text ends before anything is said about it.
for flag in --top-k --penalty-window; do
  expect_error 2 "-4" run -m "$model" -p a $flag -4
  holds test -z "$(grep -E '[0-9]{20}' err)"
done
expect_error 2 "expected 0 or more, found -4" matrix -m "$model" -p a --layer 0 --mixer -4 -o m.npy
checks=$((checks + 1))
"$HINDSCAN" run -m "$model" -p "The cat" -n 3 --seed 1 -v >both 2>&1 </dev/null || fail "run -v"
holds grep -qE '^read 2 tokens' both

# D8: a copied program has its model with it.
mkdir alone
cp "$HINDSCAN" alone/hindscan
checks=$((checks + 1))
(cd alone && env -u HINDSCAN_MODELS HOME=/nonexistent ./hindscan score -p "The little girl said hello." --json >../out 2>../err) || fail "a copied program"
holds python3 -c 'import json; d = json.load(open("out")); assert d["perplexity"] < 200 and d["model"] == "built-in:english", d'
mv out copied
expect 0 score -m "$HINDSCAN_ROOT/models/english" -p "The little girl said hello." --json
holds python3 -c 'import json; a, b = (json.load(open(f)) for f in ("copied", "out")); assert a["nll"] == b["nll"]'
expect 0 info -m built-in:english
finish
