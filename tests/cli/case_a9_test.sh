#!/usr/bin/env bash
# Case A9: characters that the tokenizer cuts are shown whole; words and sentences on request, scores summed.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
text=$'The caf\u00e9 in \u6771\u4eac was \U0001F469\u200D\U0001F52C shut. He went unbelievably'

expect 0 explain -m "$model" -p "$text" --method frozen --edits 0 --top 100
holds test -z "$(grep -E '<[0-9A-F]{2}>' out)"
for whole in $'\u00e9' $'\u6771' $'\u4eac' $'\U0001F469'; do out_has "$whole"; done
holds grep -qE '^ +[0-9]+ +[0-9]+-[0-9]+ ' out # a character of several tokens names them all
expect 0 explain -m "$model" -p "$text" --method frozen --edits 0 --by word --top 100
holds grep -qE '" unbelievably" ' out
out_has $'" caf\u00e9" '
expect 0 explain -m "$model" -p "$text" --method frozen --edits 0 --by sentence
holds test "$(grep -cE '^ +[12] +[0-9]+-[0-9]+ ' out)" = 2
expect_error 2 "paragraph" explain -m "$model" -p "$text" --by chapter

# The sums of the pieces are the sum of the tokens; JSON stays by token.
expect 0 explain -m "$model" -p "$text" --method frozen --edits 0 --by word --json
cp out tokens.json
expect 0 explain -m "$model" -p "$text" --method frozen --edits 0 --by sentence
holds python3 - <<'PY'
import json, re
m = json.load(open("tokens.json"))["arrays"][0]
total = sum(float(l.split('"')[-1].split()[0]) for l in open("out") if re.match(r" +\d+ +\d+(-\d+)? ", l))
assert len(m["values"]) > 30 and abs(total - m["sum"]) < 1e-3, (total, m["sum"])
PY
# Half a character at the end is bytes, and said to be.
expect 0 explain -m "$model" -p $'caf\xc3' --method frozen --edits 0
holds grep -q '<C3>' out
# Steps back name characters whole too, and what the model does without the whole of one.
text=$'He said to \u65e5\u672c\u8a9e the'
expect 0 explain -p "$text" --hops 2
holds test -z "$(grep -E '<[0-9A-F]{2}>' out)"
out_has $'"\u8a9e" (token '
expect 0 explain -p "$text" --hops 2 --json --method scan:by=token --measure log-p
holds python3 - <<'PY'
import json
d = json.load(open("out"))
lost, sources = d["arrays"][0]["values"], d["hops"][0]["sources"]
strongest = sources[0]["token"]
whole = [v for t, v in enumerate(lost) if strongest <= t < strongest + 3]
assert len(d["tokens"][strongest].get("bytes", "")) == 2 and whole[0] == whole[1] == whole[2], (strongest, lost)
assert abs(sum(whole) - sources[0]["lost"]) < 1e-9, (whole, sources[0])
PY
finish
