#!/usr/bin/env bash
# Case D11: the example of README, run.sh and --help is one that a person believes, and is said in plain words first.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
export HINDSCAN_MODELS=$HINDSCAN_ROOT/models
example="The old woman looked at the stranger and shook her"
for file in run.sh README.md src/cli/app.cpp src/cli/explain_command.cpp; do
  holds grep -qF "$example" "$HINDSCAN_ROOT/$file"
done

expect 0 explain -p "$example" --json
holds python3 - <<'PY'
import json
d = json.load(open("out"))
scores, tokens = d["arrays"][0]["values"], [t["text"] for t in d["tokens"]]
assert d["methods"][0]["name"] == d["arrays"][0]["method"] == "scan"
assert d["target"]["text"] == " head" and d["target"]["probability"] > 0.5, d["target"]
assert tokens[max(range(len(scores)), key=lambda i: scores[i])] == " shook", scores
PY

# The default output: what was said, of what, how far to trust it, what to do next; no word that needs a paper.
expect 0 explain -p "$example"
holds grep -qE '^The model gives "head" a probability of [0-9]+ % to come next, and "hands" [0-9.]+ %. Why "head" rather than "hands"\? With the whole text "head" is [0-9]+ times as likely as "hands"; without "shook", "head" is only [0-9.]+ times as likely' <(paste -sd' ' out)
holds grep -qE '^ taken out +the model then finds$' out
holds grep -qE '^ "shook" +"head" [0-9.]+ times as likely as "hands" +really run$' out
out_has 'checked  all 9 words before the last were really run: each taken out'
out_has 'next     --details'
holds test -z "$(grep -iE 'token|logit|residual|skill|layer|scan|method|frozen|gradient|target|causal|rank' out)"
expect 0 explain -p "$example" --details
for kept in 'method  scan: ' 'residual' '^frozen .*%' '^paths ' '^check ' '^causal ' '^time '; do holds grep -qE "$kept" out; done
# Checks that nothing shows are not run unasked, nor asked for in vain.
expect_error 2 "--details" explain -p "$example" --edits 3
expect_error 2 "add --details" explain -p "$example" --estimator key-dropping
# A page has the other methods too, and says the same.
expect 0 explain -p "$example" -o page.html -o page.json
holds python3 - <<'PY'
import json
assert [m["name"] for m in json.load(open("page.json"))["methods"]] == ["scan", "row-logit", "row", "rollout", "gradient-x-input", "frozen"]
page = open("page.html", encoding="utf-8").read()
data = json.loads(page.split('id="data">')[1].split("</script>")[0])
assert data["shown"] == 0 and data["by"] == "word" and data["title"] in " ".join(open("out").read().split()), data["title"]
PY
# What was taken out follows --by.
expect 0 explain -p "$example" --by sentence --json
holds grep -q '"scan:by=sentence"' out
example="He opened the door and went into the room, and shut the"
expect 0 explain -p "$example" --method frozen --edits 0
holds grep -qE '^The model gives "door" a probability of [0-9]+ % to come next, and "window" [0-9.]+ %. Why "door" rather than "window"\? Most for it: "shut"' <(paste -sd' ' out)
# True also of a word that is not the likeliest, of a bare logit, and of scores that know no target.
expect 0 explain -p "$example" --method frozen --edits 0 --target-token " window" --contrast " door"
holds grep -qE '^The model gives "window" a probability of [0-9.]+ % .* rather than "door"\?.*Most against it: "shut"' <(paste -sd' ' out)
expect 0 explain -p "$example" --method frozen --edits 0 --contrast none
holds grep -qE '^The model gives "door" .* Why "door"\? Most for it' <(paste -sd' ' out)
expect 0 explain -p "$example" --method row --edits 0
holds grep -qE 'Why "door" rather than "window"\? It drew most on "' <(paste -sd' ' out)
finish
