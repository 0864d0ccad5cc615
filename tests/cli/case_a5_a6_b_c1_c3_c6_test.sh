#!/usr/bin/env bash
# Cases A5, A6, B, C1, C3 and C6: what config.json and generation_config.json may hold.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)

# with NAME JSON: a copy of the model whose config.json has these keys besides.
with() {
  rm -rf "$1" && cp -r "$model" "$1"
  python3 - "$1/config.json" "$2" <<'PY'
import json, sys
config = json.load(open(sys.argv[1]))
config.update(json.loads(sys.argv[2]))
json.dump(config, open(sys.argv[1], "w"))
PY
}

# A5: an unknown key is named, a known one with an unknown value is refused, and both in --json.
with a5 '{"surprise": 1, "rope": {"theta": 3}, "use_cache": false, "time_step_min": 0.5}'
expect 0 info -m a5
holds grep -qF '2 keys that this version does not know were not used: rope, surprise' err
expect 0 info -m a5 --json
holds python3 -c 'import json; assert json.load(open("out"))["unknown_config_keys"] == ["rope", "surprise"]'
with a5 '{"hidden_act": "mish"}'
expect_error 65 '"hidden_act" to be one of silu, swish, gelu' info -m a5
expect 0 logits -m "$model" --tokens 5,6,7
cp out silu.txt
with a5 '{"hidden_act": "gelu"}'
expect 0 logits -m a5 --tokens 5,6,7
checks=$((checks + 1))
cmp -s out silu.txt && fail "hidden_act gelu changed nothing"
with a5 '{"quantization_config": {"bits": 4}}'
expect_error 65 "quantization_config" info -m a5

# A6: every end token ends a text; what the publisher advises is said, and not done unasked.
expect 0 run -m "$model" --tokens 5,6,7 -n 3 --greedy --json
first=$(python3 -c 'import json; print(json.load(open("out"))["tokens"][0]["id"])')
with a6 "{\"eos_token_id\": [0, $first]}"
expect 0 run -m a6 --tokens 5,6,7 -n 3 --greedy --json
holds python3 -c 'import json; d = json.load(open("out")); assert d["stop"] == "end-of-text" and d["tokens"] == []'
with a6 '{"eos_token_id": 0}'
echo "{\"eos_token_id\": [1, $first], \"do_sample\": true, \"temperature\": 0.6, \"top_p\": 0.9}" >a6/generation_config.json
expect 0 run -m a6 --tokens 5,6,7 -n 3 --greedy --json
holds python3 -c 'import json; assert json.load(open("out"))["stop"] == "end-of-text"'
expect 0 run -m a6 --tokens 5,6,7 -n 3 --seed 1
holds grep -qF -- "advises --temp 0.6 --top-p 0.9" err

# B: infinities as Python writes them.
with b '{"time_step_limit": [0.0, Infinity]}'
holds grep -qF Infinity b/config.json
expect 0 info -m b

# C1: memory follows the size of the file, not key length times elements. A sanitizer's own memory is no measure.
at_most_1500_mb() {
  ! "$HINDSCAN" --version --json | grep -q '"Release"' || ulimit -v 1500000
}
with c1 '{}'
python3 -c 'import json; c = json.load(open("c1/config.json")); c["k" * 100000] = [0] * 20000; json.dump(c, open("c1/config.json", "w"))'
checks=$((checks + 1))
(at_most_1500_mb; "$HINDSCAN" info -m c1 -t 1 >out 2>err) || fail "a long key over a long list took more than 1.5 GB"

# C3: sizes are compared with the weights before they take memory.
with c3 '{"model_type": "hybrid", "layers": [], "blocks": {}}'
python3 - <<'PY'
import json
c = json.load(open("c3/config.json"))
c["layers"] = ["moe"] * 20
c["blocks"] = {"moe": {"model_type": "moe", "intermediate_size": 16, "num_experts": 65536, "num_experts_per_tok": 2}}
json.dump(c, open("c3/config.json", "w"))
PY
checks=$((checks + 1))
(at_most_1500_mb; "$HINDSCAN" info -m c3 -t 1 >out 2>err)
(($? == 65)) || fail "20 x 65,536 experts: expected exit 65"
holds grep -qF "far fewer tensors" err
with c3 '{"num_hidden_layers": 10000}'
expect_error 65 "far fewer tensors" info -m c3

# C6: numbers that fit no size.
for keys in '{"expand": 1e300, "intermediate_size": null}' '{"hidden_size": 36028797018963968}' '{"time_step_rank": 1e300}' \
  '{"vocab_size": 9223372036854775807}'; do
  with c6 "$keys"
  expect_error 65 "must" info -m c6
done

finish
