#!/usr/bin/env bash
# Models that are one file, vocabularies named on the command line, logits as text.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)

# The file beside its config.json is the model of the folder.
expect 0 logits -m "$model" --tokens 5,6,7 --dtype f32
cp out folder.txt
expect 0 logits -m "$model/model.safetensors" --tokens 5,6,7 --dtype f32
holds cmp -s out folder.txt
holds test "$(wc -l <out)" = 4096
expect 0 logits -m "$model" --tokens 5,6,7 --json
out_is_json
holds python3 -c 'import json; d = json.load(open("out")); assert d["rows"] == 1 and len(d["last"]) == 4096 and d["output"] is None'

# A vocabulary of characters instead of the model's own; the rest of the model's vocabulary has no text.
printf 'abc\n' >letters.txt
expect 0 logits -m "$model" --tokenizer letters.txt -p cab
cut -d' ' -f1,2 out >letters.out
expect 0 logits -m "$model" --tokens 2,0,1
holds cmp -s <(cut -d' ' -f1,2 out) letters.out
expect 0 run -m "$model" --tokenizer letters.txt -p ab -n 4 --seed 1
expect 0 score -m "$model" --tokenizer letters.txt -p abcab
expect_error 65 "expected characters of the model's vocabulary, found 'x'" logits -m "$model" --tokenizer letters.txt -p abx
expect_error 65 "[twice.txt]" logits -m "$model" --tokenizer "$(printf 'aa\n' >twice.txt; echo twice.txt)" -p a
expect_error 66 "none.txt" logits -m "$model" --tokenizer none.txt -p a

# Files that are no model.
printf 'text' >text.bin
expect_error 65 "[text.bin]" info -m text.bin
cp "$HINDSCAN_ROOT/tests/golden/torch/module.pth" module.pth
expect_error 65 "expected the tensors of an RWKV model or a config.json beside the file" info -m module.pth
cp "$HINDSCAN_ROOT/tests/golden/torch/whole_module.pth" whole.pth
expect_error 65 "never executed" info -m whole.pth
cp "$HINDSCAN_ROOT/tests/golden/torch/legacy.pth" legacy.pth
expect_error 65 "convert it to safetensors" info -m legacy.pth
finish
