#!/usr/bin/env bash
# Section B of the cases: tokenizers that cannot be read, added tokens without rows, and paths that are no model.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)

# A tokenizer that cannot be read stops texts only.
broken=$(make_model bad-tokenizer)
expect 0 logits -m "$broken" --tokens 5,6,7
holds grep -q "the tokenizer is left out" err
expect 0 info -m "$broken"
out_has "no tokenizer: ["
expect 0 info -m "$broken" --json
holds python3 -c 'import json; d = json.load(open("out")); assert not d["tokenizer"] and "tokenizer.json" in d["tokenizer_problem"], d'
expect_error 65 "tokenizer.json" logits -m "$broken" -p a
expect_error 65 "expected a BPE tokenizer, found 'Unigram'" logits -m "$model" --tokens 1 \
  --tokenizer "$(echo '{"model": {"type": "Unigram", "vocab": []}}' >unigram.json; echo unigram.json)"

# An added token beyond the embedding refuses itself alone.
cp -r "$model" wide
python3 - <<'PY'
import json
t = json.load(open("wide/tokenizer.json"))
for i in (4096, 4100):
    t["added_tokens"].append({"id": i, "content": f"<|extra {i}|>", "special": True, "normalized": False, "lstrip": False, "rstrip": False, "single_word": False})
json.dump(t, open("wide/tokenizer.json", "w"))
PY
expect 0 logits -m "$model" -p "The cat"
cp out same
expect 0 logits -m wide -p "The cat"
holds cmp out same
holds grep -q "2 added tokens have no row" err
holds grep -q "'<|extra 4100|>' is 4097 and not 4100" err  # transformers counts on
expect_error 65 "'<|extra 4096|>' is token 4096" logits -m wide -p "The <|extra 4096|> cat"
expect_error 65 "'<|extra 4100|>' is token 4097" logits -m wide -p "The <|extra 4100|> cat"
python3 - <<'PY'
import json
t = json.load(open("wide/tokenizer.json"))
t["model"]["vocab"]["zzzz"] = 4200
json.dump(t, open("wide/tokenizer.json", "w"))
PY
expect_error 65 "belongs to another model" logits -m wide -p "The cat"

# A tokenizer of another size deserves a note; the model's own does not.
expect 0 logits -m "$model" --tokens 1
holds test ! -s err
printf 'abc\n' >letters.txt
expect 0 logits -m "$model" --tokenizer letters.txt -p a
holds grep -q "knows 3 of the model's 4096 tokens" err

# Paths that are no model are named for what they are.
printf 'GGUF\3\0\0\0' >m.gguf
expect_error 65 "a GGUF model of llama.cpp" info -m m.gguf
printf '# A model\n\nwith a *page*\n' >README.md
expect_error 65 "found a text file" info -m README.md
expect_error 65 "found a JSON file; give the folder" info -m "$model/config.json"
mkdir -p gguf run/model lone unfinished/ckpt-0000000010
cp m.gguf gguf/
expect_error 66 "GGUF files are for llama.cpp" info -m gguf
expect_error 66 "has not finished" info -m unfinished
touch lone/a.pth
expect_error 66 "lone/a.pth" info -m lone
cp "$model"/* run/model/
expect 0 info -m run
out_has "run/model"
holds grep -q "its model is run/model" err
finish
