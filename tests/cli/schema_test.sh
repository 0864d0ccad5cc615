#!/usr/bin/env bash
# What explain prints is what docs/schemas says: of every method, kind of target and length, with and without layers.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cat >check.py <<'PY'
import json, pathlib, sys
from jsonschema import Draft202012Validator
schema = json.loads(pathlib.Path(sys.argv[1]).read_text())
Draft202012Validator.check_schema(schema)
document = json.loads(pathlib.Path("out").read_text())
errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in Draft202012Validator(schema).iter_errors(document)]
assert not errors, errors
T, names = len(document["tokens"]), [m["name"] for m in document["methods"]]
for a in document["arrays"]:
    assert a["method"] in names, a["method"]
    rows = a["values"] if a["axes"] == ["layer", "token"] else [a["values"]]
    assert all(len(row) == T for row in rows), a["name"]
    assert not (whole := a["completeness"]) or abs(whole["target"] - a["sum"] - a["state"] - a["no_token"] - whole["residual"]) < 1e-9
    assert "part_of" not in a or any(b["name"] == a["part_of"] and b["method"] == a["method"] and b["axes"] == a["axes"] for b in document["arrays"])
for m in document["methods"]:
    assert len(m.get("found", [])) in ([T] if "effect_of" in m else [0]), m["name"]
for name in names:
    assert next(a for a in document["arrays"] if a["method"] == name)["axes"] == ["token"], name
PY
# conforms ARGUMENTS...: what explain prints for them does.
conforms() {
  expect 0 explain "$@" --json
  holds /usr/bin/python3 check.py "$HINDSCAN_ROOT/docs/schemas/explain-3.json"
}
model=$(make_model)
conforms -m "$model" --tokens 5,6,7,8,9,10 --method all --per-layer
conforms -m "$model" --tokens 5,6,7,8,9,10 --method all --edits 0 --contrast none --target 2
conforms -m "$model" --tokens 5
small=(--d-model 16 --n-layer 1 --task induction --steps 1 --sequences 1 --length 16)
for family in kda rwkv7; do expect 0 train --arch "$family" "${small[@]}" --out "$family"; done
conforms -m kda/model --tokens 3,7,1,12,5,9 --method row:estimator=key-dropping,rollout --per-layer
conforms -m rwkv7/model --tokens 3,7,1,12,5,9 --method gradient-x-input,frozen --per-layer
conforms -p $'caf\xc3'
conforms -p "the cat sat" --measure entropy --method frozen
conforms -p "the cat sat" --continuation " on the mat" --per-layer
conforms -p "the cat sat" --generate 3 --method scan,half,integrated-gradients:steps=2
conforms -p "She said that" --target-token " he| his" --contrast " she| her" --method gradient-x-input
conforms -p "She said that" --target-token " he| his" --measure log-p --method gradient-x-input
conforms -m "$HINDSCAN_ROOT/models/gold/two-hop" -p "caf!bdahgfceabd?bcadg=" --method scan --hops 2
holds python3 - <<'PY'
import json
hops = json.load(open("out"))["hops"]
assert [h["step"] for h in hops][:2] == [1, 2] and hops[0]["of"] is None, hops
between = next(s for s in hops[0]["sources"] if s["token"] == 16)
assert hops[between["hop"]]["of"] == 0 and hops[between["hop"]]["target"]["position"] == 15, hops
assert {3, 4} <= {s["token"] for s in hops[between["hop"]]["sources"]}, hops
PY
expect 0 explain -m "$HINDSCAN_ROOT/models/gold/two-hop" -p "caf!bdahgfceabd?bcadg=" --method scan --hops 2
holds grep -q '^step 2  "b" (token 16), of a probability of 1.000, came from$' out
holds grep -q 'the model would have said it itself: step 2$' out
expect_error 2 "no contrast" explain -p "the cat" --measure log-p --contrast " a"
conforms -p "the cat sat" --method scan,leave-one-out:tokens=1
holds python3 - <<'PY'
import json
d = json.load(open("out"))
found = {m["name"]: (m["effect_of"], m["found"]) for m in d["methods"]}
assert found["leave-one-out:tokens=1"] == ("remove", [None, "measured", None]), found
assert found["scan"][0] == "remove" and found["scan"][1][2] is None and None not in found["scan"][1][:2], found
d["methods"][0]["found"][0] = "guessed"
json.dump(d, open("out", "w"))
PY
holds test "$(/usr/bin/python3 check.py "$HINDSCAN_ROOT/docs/schemas/explain-3.json" >/dev/null 2>&1; echo $?)" = 1
cp "$HINDSCAN_ROOT/tests/golden/formats/explain-3.json" out
holds /usr/bin/python3 check.py "$HINDSCAN_ROOT/docs/schemas/explain-3.json"
# A document that says less, or something else, does not.
for wrong in 'del d["arrays"][0]["sum"]' 'd["arrays"][0]["axes"] = ["head"]' 'd["arrays"][0]["values"][1] = None' 'd["methods"][0]["causal"] = 1'; do
  cp out whole
  python3 - "$wrong" <<'PY'
import json, sys
d = json.load(open("whole")); exec(sys.argv[1]); json.dump(d, open("out", "w"))
PY
  holds test "$(/usr/bin/python3 check.py "$HINDSCAN_ROOT/docs/schemas/explain-3.json" >/dev/null 2>&1; echo $?)" = 1
  cp whole out
done
finish
