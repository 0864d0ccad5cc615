#!/usr/bin/env bash
# What a newcomer reads is true, counts right, and names the next step.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
tokenizer=$HINDSCAN_ROOT/models/english/tokenizer.json
model=$(make_model)
printf 'the cat sat on the mat and the dog ran away. %.0s' {1..100} >text.txt

# A model whose tokens are letters: the sentence names letters, not one odd word.
expect 0 train --task induction --arch gru --d-model 16 --n-layer 1 --steps 2 --batch 2 --length 32 --out letters
expect 0 explain -m letters/model --tokens 1,2,3,4,1,2 --details
holds grep -qE '^The model gives "." .*"[a-z]" \(token [0-5]\)' <(head -1 out)
holds test -z "$(grep -E '"[a-z]{2}' out)"
out_has "1 layer"
out_has "what follows token 5 of 0..5:"

# Remarks stay in the width of the table; kinds of layers are in words.
expect 0 train --arch rwkv --d-model 32 --n-layer 2 --tokenizer "$tokenizer" --data text.txt --steps 2 --batch 2 --length 16 --out 'run 4'
expect 0 explain -m 'run 4' -p "the cat sat on the mat and the" --details
out_has "note    gradient-x-input: scores taken behind the first norm"
holds test -z "$(grep -nE 'glr\.|fidelity' out)"
holds python3 - <<'PY'
lines = open("out").read().splitlines()
table = next(i for i, line in enumerate(lines) if line.startswith("method  ") and "residual" in line)
wide = [line for line in lines[table:] if len(line) > 106]
assert not wide, wide
PY

# A checkpoint is no run: the message holds the command that works.
expect_error 66 "found a part of one" train --resume 'run 4/ckpt-0000002'
command=$(grep -o "hindscan train --resume .*" err)
holds test "$command" = "hindscan train --resume 'run 4'"
hindscan() { "$HINDSCAN" "$@"; }  # as the message says it
holds eval "$command --steps 3 >out 2>err"
for part in 'run 4/model' 'run 4/log.jsonl' 'run 4/ckpt-0000002/'; do expect_error 66 "--resume 'run 4'" train --resume "$part"; done
expect_error 66 "with its checkpoints, found none" train --resume .
holds test ! -e lock
expect_error 73 "hindscan train --resume 'run 4'" train --arch gru --data text.txt --tokenizer "$tokenizer" --out 'run 4'

# Logits beside the texts they are of.
expect 0 logits -p "The cat sat on the"
holds grep -qE '^[0-9]+ -?[0-9.]+(e-[0-9]+)? " mat"$' out
holds test "$(wc -l <out)" = 4096

# The built-in model is no classifier, and help says so.
expect 0 classify --help
holds test -z "$(grep 'default: the built-in' out)"
out_has "Usage: hindscan classify MODEL"
expect_error 2 "expected -m MODEL" classify -p "A text."

# States belong to a model and the type it is held in.
expect 0 run -m "$model" -p "a cat" -n 0 --dtype bf16 --state-out cat.state
expect_error 65 "with the dtype that" run -m "$model" --state-in cat.state -p " sat" -n 1 --dtype f32
holds grep -q "held as f32" err
expect 0 run -m "$model" --state-in cat.state -p " sat" -n 1 --dtype bf16

# The sentence names what the table ranks first, of a method whose signs are for and against nothing too.
expect 0 explain -p "The cat sat on the" --show row --edits 0
holds grep -qE '^ +1 +4 +" the" +-' out
holds grep -q 'It drew most on "the"' <(paste -sd' ' out)

# What counts as a token is no claim about what follows, for a matrix predicts nothing.
printf 'a cat\n' >line.txt
expect 0 matrix -m "$model" -f line.txt -o line.npy
holds grep -q "ends with a newline, which counts as a token" err

# A table of commas under another name.
printf 'a,x\nb,y\n' >table.data
expect_error 65 "a table of commas is named .csv" train --task classify --labels table.data --arch gru --tokenizer "$tokenizer" --out none

# Ids from a file without a name; names of files that are empty.
expect_error 2 "@FILE with such ids in it" run -m "$model" --tokens @ -n 1
expect_error 66 "[nothing.txt]" run -m "$model" --tokens @nothing.txt -n 1

# Too long for the limit: in MiB, from a pipe as from a file.
checks=$((checks + 1))
head -c 40000000 /dev/zero | tr '\0' a | "$HINDSCAN" explain -p - --mem-limit 200M >out 2>err
[[ ${PIPESTATUS[2]} == 71 ]] || fail "a pipe beyond --mem-limit"
holds grep -qE '\[standard input\] expected at most [0-9.]+ MiB, found more; .*--mem-limit' err
head -c 40000000 /dev/zero | tr '\0' a >long.txt
expect_error 71 "MiB" explain -f long.txt --mem-limit 200M
holds test -z "$(grep -E '[0-9]{7}' err)"

# Numbers and what they count agree.
expect 0 run -p $'a\xffb' -n 1
holds grep -q "1 piece of the text is not valid UTF-8; it passes through" err
expect 0 run -p $'a\xffb\xfe' -n 1
holds grep -q "2 pieces of the text are not valid UTF-8; they pass through" err
expect 0 info -m letters/model
out_has "(1 layer x 1); a Transformer of its size has 1 (1 layer x 1 head of 64)"
finish
