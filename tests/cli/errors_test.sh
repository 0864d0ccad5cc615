#!/usr/bin/env bash
# Bad input: a clear message, the documented exit code, nothing on stdout, nothing half-written.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
nl=$'\n'

# 2: what was asked for makes no sense.
expect_error 2 "prompt" run -m "$model" -p ""
expect_error 2 "4096" run -m "$model" --tokens 1,4096
expect_error 2 "token" run -m "$model" --tokens 1,x
expect_error 2 "token" run -m "$model" --tokens ""
expect_error 2 "--temp" run -m "$model" -p a --temp -1
expect_error 2 "--top-p" run -m "$model" -p a --top-p 2
expect_error 2 "methods" explain -m "$model" -p a --method guess
expect_error 2 "target" explain -m "$model" -p "a b c" --target 99
for far in 99999999999999999999 -99999999999999999999; do
  expect_error 2 "--target: expected a whole number of 64 bits, found $far" explain -m "$model" -p "a b c" --target $far
done
expect_error 2 "--keep: expected a whole number of 64 bits" train --arch gru --task induction --out run --keep 99999999999999999999
expect_error 2 "layer" matrix -m "$model" -p "a b c" --layer 7 -o m.npy
expect_error 2 "map" matrix -m "$model" -p "a b c" --layer 0 --map median -o m.npy
expect_error 2 "rows" matrix -m "$model" -p "a b c" --layer 0 --rows 5:1 -o m.npy
expect_error 2 "a map in 0..31" matrix -m "$model" -p "a b c" --layer 0 --map 32 -o m.npy
expect_error 2 "picture.doc" explain -m "$model" -p "a b c" -o picture.doc
holds test ! -e m.npy
# What was expected and what was found, in words, before anything is computed.
expect_error 2 "--temp: expected a number in 0..1000, found hot" run -m "$model" -p a --temp hot
expect_error 2 "--by: expected token, word, sentence, paragraph, found line" explain -m "$model" -p a --by line
expect_error 2 "expected one of the methods frozen, found 'row'" explain -m nowhere -p a --method frozen --show row
expect 0 explain -m "$model" -p "a b c" --method row,leave-one-out:tokens=2 --show leave-one-out --details
out_has "method  leave-one-out:tokens=2: "
out_has "some of the edits that judge it"
expect 0 explain -m "$model" -p "a b c" --method leave-one-out:tokens=2 --edits 0
grep -qF "that judge it" out && fail "explain --edits 0: speaks of edits that judge leave-one-out"
expect_error 2 "steps=1..4096 (default 32)" explain -m "$model" -p a --method integrated-gradients:steps=0
expect_error 2 "[train] expected 0 steps or more, found -1" train --task induction --arch mamba --steps -1 --out t
# Only a command that takes a text is told where it goes.
expect_error 66 "[Hello there] expected a model directory or file, found nothing; a text goes after -p" run "Hello there"
expect_error 66 "[Hello there] expected a model directory or file, found nothing; check the path" info "Hello there"

# A line of its own for every message, whatever it quotes; a list of the program's goes on in lines that are indented.
for flag in "2 --method" "2 --show" "2 --contrast" "2 --by" "66 --state-in" "2 -o" "66 -m"; do
  expect_error "${flag% *}" "a⏎b" explain -p "a b c" "${flag#* }" "a${nl}b"
  (($(wc -l <err) == 1)) || fail "$flag: the message has $(wc -l <err) lines"
done
expect 0 explain -m "$model" -p "a b c" --edits 0 -o "a${nl}b.json"
holds grep -qx "hindscan: note: wrote a⏎b.json" err
expect 65 run -m "$(make_model wrong-shape)" -p "a"
(($(wc -l <err) == 2)) || fail "a list of one item has $(wc -l <err) lines"

# 65: a file is not what it should be.
for fault in truncated overlap huge-header trailing; do
  expect_error 65 "model.safetensors" run -m "$(make_model "$fault")" -p "a"
done
expect_error 65 "expected finite weights, found backbone.layers.0.mixer.D[0]" run -m "$(make_model nan)" -p "a"
expect_error 65 "conv1d.weight must be [32, 1, 4] but is [4, 1, 32]" run -m "$(make_model wrong-shape)" -p "a"
expect_error 65 "norm_f.weight [16] is missing" run -m "$(make_model missing)" -p "a"
expect_error 65 "config.json" run -m "$(make_model bad-config)" -p "a"
expect_error 65 "tokenizer.json" run -m "$(make_model bad-tokenizer)" -p "a"
echo '{"model_type": "rwkv99"}' >"$(make_model)/../odd.json"
cp -r "$model" odd-model && mv odd.json odd-model/config.json
expect_error 65 "rwkv99" info -m odd-model
: >empty.txt
expect_error 65 "empty.txt" score -m "$model" -f empty.txt
head -c 100 "$model/model.safetensors" >broken.state
expect_error 65 "broken.state" run -m "$model" -p a --state-in broken.state

# Bytes that are no UTF-8 are text too: they go through as bytes, with a note.
printf 'caf\xe9 \xff\xfe ok' >latin1.txt
expect 0 score -m "$model" -f latin1.txt
holds grep -q "UTF-8" err

# 66: an input is not there.
expect_error 66 "nowhere" run -m nowhere -p a
expect_error 66 "nowhere.txt" score -m "$model" -f nowhere.txt
expect_error 66 "nowhere.state" run -m "$model" -p a --state-in nowhere.state
mkdir no-weights && cp "$model"/{config,tokenizer}.json no-weights/
expect_error 66 "safetensors" run -m no-weights -p a

# 71: it does not fit; the message says how much it would take.
python3 -c 'print("word " * 20000)' >long.txt
expect_error 71 "1554 MiB" matrix -m "$model" -f long.txt --layer 0 --map mean --mem-limit 300M -o big.npy
holds test ! -e big.npy

# 73: the output cannot be created.
for target in missing/folder/m.npy "$model/config.json/m.npy"; do
  expect 73 matrix -m "$model" -p "a b c" --layer 0 -o "$target"
done
expect 73 explain -m "$model" -p "a b c" -o missing/page.html
expect 73 run -m "$model" -p "a b c" -n 1 --state-out missing/x.state

# 74: the disk is full.
expect_full() {
  checks=$((checks + 1))
  "$HINDSCAN" "$@" >/dev/full 2>err </dev/null
  local code=$?
  ((code == 74)) || fail "hindscan $* >/dev/full : expected exit 74, found $code"
}
expect_full run -m "$model" -p "a" -n 4
expect_full explain -m "$model" -p "a b c" --json
expect_full --help
finish
