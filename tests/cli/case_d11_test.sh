#!/usr/bin/env bash
# Case D11: the example of README, run.sh and --help is one that a person believes, and is said in plain words first.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
export HINDSCAN_MODELS=$HINDSCAN_ROOT/models
example="He opened the door and went into the room, and shut the"
for file in run.sh README.md src/cli/app.cpp src/cli/explain_command.cpp; do
  holds grep -qF "$example" "$HINDSCAN_ROOT/$file"
done

expect 0 explain -p "$example" --method frozen --edits 0 --json
holds python3 - <<'PY'
import json
d = json.load(open("out"))
scores, tokens = d["arrays"][0]["values"], [t["text"] for t in d["tokens"]]
assert d["target"]["text"] == " door" and d["target"]["probability"] > 0.5, d["target"]
assert tokens[max(range(len(scores)), key=lambda i: scores[i])] == " shut", scores
PY
expect 0 explain -p "$example" --method frozen --edits 0
holds grep -qE '^The model gives "door" a probability of [0-9]+ % to come next. Why "door" rather than "window"\? Most for it: "shut"' <(head -1 out)
# True also of a word that is not the likeliest, of a bare logit, and of scores that know no target.
expect 0 explain -p "$example" --method frozen --edits 0 --target-token " window" --contrast " door"
holds grep -qE '^The model gives "window" a probability of [0-9]+ % .* rather than "door"\?.*Most against it: "shut"' <(head -1 out)
expect 0 explain -p "$example" --method frozen --edits 0 --contrast none
holds grep -qE '^The model gives "door" .* Why "door"\? Most for it' <(head -1 out)
expect 0 explain -p "$example" --method row --edits 0
holds grep -qE 'Why "door" rather than "window"\? It drew most on "' <(head -1 out)
finish
