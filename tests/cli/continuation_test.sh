#!/usr/bin/env bash
# A continuation as the target: terminal, page, picture and files say the same; what makes no sense is refused.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
prompt=(-p "The old woman looked at the stranger and")

expect 0 explain "${prompt[@]}" --continuation " shook her head" -o page.html -o picture.png -o out.json -o out.npz
words=$(paste -sd' ' out)
cp out short
expect 0 explain "${prompt[@]}" --continuation " shook her head" --details
mv out details && mv short out
holds grep -q 'The model gives "shook her head" a probability of [0-9.]* %' <<<"$words"
holds grep -qE 'Without "[a-z]+" it is [0-9.]+ times less likely' <<<"$words"
holds test "$(grep -c 'shook her head' out)" -ge 2
holds test -s picture.png
holds python3 - <<'PY'
import json, math, re
report = json.load(open("out.json"))
target, words = report["target"], " ".join(open("out").read().split())
first = target["answer_from"]
assert f"what follows token {first - 1} of" in open("details").read()
scan = next(m for m in report["methods"] if m["name"] == "scan")
lost = next(a for a in report["arrays"] if a["method"] == "scan")["values"]
assert target["measure"] == "log-p" and target["text"] == " shook her head" and len(report["tokens"]) - first == 3, target
assert math.isclose(math.exp(target["value"]), target["probability"], rel_tol=1e-9)
assert all(f is None and v == 0 for f, v in zip(scan["found"][first:], lost[first:]))
assert [m["name"] for m in report["methods"]] == ["scan", "row-logit", "gradient-x-input", "frozen"], report["methods"]
name, times = re.search(r'Without "(\w+)" it is ([0-9.]+) times less likely', words).groups()
of = [v for t, v in zip(report["tokens"], lost) if t["text"].strip() == name]
assert any(abs(math.exp(v) - float(times)) <= 0.06 * float(times) for v in of), (name, times, of)
page = open("page.html").read()
assert "shook her head" in page and "times less likely" in page
PY

# The model's own continuation is what run writes.
expect 0 run "${prompt[@]}" -n 4 --no-prompt --temperature 0
own=$(cat out)
expect 0 explain "${prompt[@]}" --generate 4 --json
holds test "$(python3 -c 'import json; print(json.load(open("out"))["target"]["text"], end="")')" = "$own"

for other in "--target 2" "--target-token \ the" "--contrast none" "--hops 2"; do
  eval "set -- $other"
  expect_error 2 "expected no $1 beside it" explain "${prompt[@]}" --continuation " shook" "$@"
done
expect_error 2 "name one of the two" explain "${prompt[@]}" --continuation " shook" --generate 2
expect_error 2 "expected the measure log-p" explain "${prompt[@]}" --continuation " shook her" --measure logit
expect_error 2 "single place" explain "${prompt[@]}" --continuation " shook her" --method row

# Several targets in one run: each as if asked for alone.
mkdir several && cd several || exit 1
text=(-p "The cat sat on the mat and the dog ran")
for target in 3 6 -1; do
  expect 0 explain "${text[@]}" --target "$target"
  grep -v '^next' out
done >alone
expect 0 explain "${text[@]}" --target 3,6,-1 -o page.html -o picture.png
holds diff <(grep -v '^$' alone) <(grep -v '^$' out)
for n in 1 2 3; do holds test -s "page-$n.html" -a -s "picture-$n.png"; done
holds test "$(cat picture-?.png | wc -c)" -gt 0 -a "$(sha256sum picture-?.png | cut -d" " -f 1 | sort -u | wc -l)" = 3
for n in 1 2 3; do holds grep -q "\"position\":$(((n == 1) * 3 + (n == 2) * 6 + (n == 3) * 9))," "page-$n.html"; done
expect 0 explain "${text[@]}" --target 3,6,-1 --json --edits 0
holds python3 - <<'PY'
import json
documents = json.load(open("out"))
assert [d["target"]["position"] for d in documents] == [3, 6, len(documents[0]["tokens"]) - 1]
PY
expect_error 2 "found 99" explain "${text[@]}" --target 3,99 -o none.html
holds test ! -e none-1.html
expect_error 2 "--target" explain "${text[@]}" --target 3,x
finish
