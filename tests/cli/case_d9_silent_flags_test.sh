#!/usr/bin/env bash
# D9: nothing on the command line is passed over in silence, or taken for another thing. C8: outputs never replace what is read.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)

# An empty value is a slip of the shell, no wish for the default.
for flag in -m --tokenizer --state-in --state-out --stop -p -f --tokens --dtype; do
  expect_error 2 "found an empty text" run -n 1 "$flag" ""
done
expect_error 2 "--target-token" explain -m "$model" -p "The cat" --target-token ""
expect_error 2 "--mem-limit" explain -m "$model" -p "The cat" --mem-limit ""
expect_error 2 "--config" train --config "" --arch gru --task reset --out x

# A flag that may be repeated takes one value each time: what follows it is the model.
expect_error 66 "[nowhere]" run --stop the nowhere -p "The cat" -n 1
expect_error 66 "[nowhere]" explain -o x.html nowhere -p "The cat"

# A seed is taken as it is given, or not at all.
for seed in -1 18446744073709551616 1.5 0x10; do
  expect_error 2 "expected a number in 0..18446744073709551615, found $seed" run -m "$model" -p a -n 1 -s "$seed"
  expect_error 2 "$seed" explain -m "$model" -p "The cat" -s "$seed"
  expect_error 2 "$seed" train --arch gru --task reset --out x -s "$seed"
done
expect 0 run -m "$model" -p a -n 1 -s 18446744073709551615

expect_error 2 "found --tokens" run -m "$model" --tokens 5,6 -n 1 --newline drop
expect_error 2 "expected a contrast other than the target" explain -m "$model" -p "The cat" --edits 0 \
  --target-token " mat" --contrast " mat"
printf 'good\tfine\nbad\tpoor\ngood\tnice\nbad\tawful\n' >labels.tsv
expect 0 train --task classify --labels labels.tsv --arch gru --d-model 8 --n-layer 1 --steps 1 -q \
  --tokenizer "$HINDSCAN_ROOT/models/english/tokenizer.json" --out run
expect_error 2 "expected one number, found '1,0'" explain -m run -p "The cat" --target-token 1,0

# C8: an output is no input.
cp -r "$model" own
printf 'The cat sat' >text.html
printf '5,6,7' >ids.npy
expect_error 2 "[./text.html] expected a file to write" explain -m own -f text.html --edits 0 -o ./text.html
expect_error 2 "[ids.npy] expected a file to write" logits -m own --tokens @ids.npy -o ids.npy
ln -s text.html link.html
expect_error 2 "[link.html] expected a file to write" explain -m own -f text.html --edits 0 -o link.html
for part in model.safetensors config.json tokenizer.json; do
  expect_error 2 "found a part of the model" run -m own -p a -n 0 --state-out "own/$part"
  expect_error 2 "found a part of the model" score -m own -p "a b" --state-out "own/$part"
  holds cmp "own/$part" "$model/$part"
done
expect_error 2 "found a part of the model" explain -m own -p "a b" --edits 0 -o own/config.json
# Through a link, from the run that holds the model, from a single file beside it, and what tokenizers read.
ln -s "$PWD/own/config.json" to_config.json
expect_error 2 "found a part of the model" explain -m own --tokens 1,2 -o to_config.json
expect_error 2 "found a part of the model" run -m own/model.safetensors -p a -n 0 --state-out own/config.json
expect_error 2 "found a part of the model" explain -m run -p "The cat" --edits 0 -o run/model/config.json
cp "$model/config.json" own/added_tokens.json
expect_error 2 "found a part of the model" explain -m own --tokens 1,2 -o own/added_tokens.json
rm own/added_tokens.json
expect_error 2 "expected a file to write" run -m own/model.safetensors -p a -n 0 --state-out own/model.safetensors
holds grep -q "The cat sat" text.html
expect 0 run -m own -p a -n 0 --state-out own/a.state
expect 0 run -m own -p b -n 0 --state-in own/a.state --state-out own/a.state
expect 0 explain -m own -p "a b" --edits 0 -o own/page.html
expect 0 explain -m own -p "a b" --edits 0 -o own/page.html
finish
