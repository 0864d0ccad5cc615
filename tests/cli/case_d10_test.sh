#!/usr/bin/env bash
# Case D10: a measured number comes with its 95 % interval; where there is none, nothing stands in its place.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
expect 0 explain -m "$model" --tokens 5,6,7,8,9,10,11,12,13,14,15,16 --json
holds python3 -c 'import json
causal = {m["name"]: m["causal"] for m in json.load(open("out"))["methods"] if m["causal"]}
assert list(causal) == ["scan", "row-logit", "gradient-x-input", "frozen"], causal
for name, c in causal.items():
    for value, interval in (("spearman", "spearman_interval"), ("sign_agreement", "sign_interval")):
        low, high = c[interval]
        assert low <= c[value] <= high and high - low > 0.1, (name, value, c)'
cp out first
expect 0 explain -m "$model" --tokens 5,6,7,8,9,10,11,12,13,14,15,16 --json
holds python3 -c 'import json
a, b = (json.load(open(f))["methods"] for f in ("first", "out"))
assert [m["causal"] for m in a] == [m["causal"] for m in b]'
expect 0 explain -m "$model" --tokens 5,6,7,8,9,10,11,12,13,14,15,16 --details
holds grep -Eq '^frozen .*\[-?[01]\.[0-9]{2}, -?[01]\.[0-9]{2}\] +[0-9]+% \[[0-9]+, [0-9]+\]' out
expect 0 score -m "$model" --tokens 5,6,7,8
holds grep -Eq 'ppl [0-9.]+ \[[0-9.]+, [0-9.]+\]' out
expect 0 score -m "$model" --tokens 5,6
holds test -z "$(grep -i nan out)"
holds test -z "$(grep -F '[' out)"
expect 0 score -m "$model" --tokens 5,6 --json
holds python3 -c 'import json; s = json.load(open("out")); assert s["nll_interval"] is s["nll_standard_error"] is None'
expect 0 train --task reset --arch rnn --d-model 8 --n-layer 1 --sequences 1 --length 24 --steps 1 --out run --json
holds python3 -c 'import json
r = json.load(open("out")); low, high = r["accuracy_interval"]
assert low <= r["accuracy"] <= high and high - low > 0.005, r'
expect 0 train --resume run
holds grep -Eq '^accuracy +[0-9.]+ % \[[0-9.]+, [0-9.]+\] of [0-9]+ questions$' out
finish
