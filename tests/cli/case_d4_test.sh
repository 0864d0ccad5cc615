#!/usr/bin/env bash
# Case D4: the page in a browser: a legend for each picture that fits its numbers, axes, no wider than a phone, no folder's name.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
  echo "skipped: no chromium here"
  exit 77
}
model=$(make_model)
expect 0 explain -m "$model" -p "The cat sat on the mat and looked at the dog." --edits 0 -o page.html
holds test -z "$(grep -o "$work" page.html)"

# with_script NAME SCRIPT: the page with a script of ours, its policy taken out.
with_script() {
  python3 - "$1" "$2" <<'PY'
import re, sys
page = open("page.html", encoding="utf-8").read()
page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
open(sys.argv[1] + ".html", "w", encoding="utf-8").write(page.replace("</body>", "<script>" + sys.argv[2] + "</script></body>"))
PY
}
# title_of NAME: what the scripts of NAME.html wrote into its title.
title_of() {
  timeout 120 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" --window-size=800,1200 \
    --virtual-time-budget=5000 --dump-dom "file://$work/$1.html" 2>"$1.log" | grep -o '<title>[^<]*' | sed 's/<title>//'
}
probe() { with_script "$1" "$2" && title_of "$1"; }
# The page opens with what each word does; the pictures of the others are chosen by name.
choose="const choose = name => setMethod(report.methods.findIndex(m => m.name === name)); choose('frozen');"
found=$(probe effects "document.title = [report.methods[state.method].name, state.by, document.getElementById('view-means').textContent, document.querySelector('#sources tbody .lead').textContent, document.getElementById('trust').textContent].join('|');")
holds python3 - "$found" <<'PY'
import re, sys
method, by, legend, without, trust = sys.argv[1].split("|")
assert method == "scan" and by == "word", (method, by)
assert re.fullmatch('Orange: without it the preference for ".+" over ".+" falls; blue: it rises. Underlined: really run.', legend), legend
assert re.fullmatch(".+ (just|[0-9.]+( thousand| million)? times|over a billion times) as likely as .+", without), without
assert trust.startswith("Checked: all "), trust
PY
# What is shown together fits the method: what it took out, else what was chosen last.
found=$(probe fits "$choose const seen = [state.by]; setBy('sentence'); for (const m of ['scan', 'frozen']) { choose(m); seen.push(state.by + units.length); } document.title = seen.join(' ');")
holds grep -qxE 'word word1[0-9] sentence[12]' <(echo "$found")
ends='const t = (id, end) => document.querySelector("#" + id + " ." + end).textContent;'
found=$(probe legends "$choose $ends document.title = t('scale', 'low') + '|' + t('scale', 'high') + '|' + t('ribbon-scale', 'low') + '|' + t('ribbon-scale', 'high') + '|' + Math.max(...units.map(u => Math.abs(unitScore(u, view().scores)))).toFixed(3) + '|' + [...document.querySelectorAll('#sources th .axis text')].map(e => e.textContent).join(' ');")
holds python3 - "$found" <<'PY'
import sys
low, high, below, above, top, axis = sys.argv[1].split("|")
assert low == f"lower it -{top}" and high == f"+{top} raise the target", (low, high, top)
assert below.startswith("lower it -") and above == f"+{below.split('-')[1]} raise the target", (below, above)
ends = [float(v) for v in axis.split()]
assert ends[0] == -ends[2] and ends[1] == 0 and abs(ends[2] - float(top)) < 0.006, axis
PY
# Sizes alone: nothing is said of raising and lowering, and every bar begins at the left.
found=$(probe magnitude "$choose $ends document.getElementById('magnitude').click(); document.title = t('scale', 'low') + '|' + t('scale', 'high') + '|' + document.getElementById('sources-scale').textContent + '|' + [...new Set([...document.querySelectorAll('#sources td rect')].map(r => r.getAttribute('x')))];")
holds python3 - "$found" <<'PY'
import sys
low, high, words, left = sys.argv[1].split("|")
assert low == "0" and "whatever the sign" in high and left == "0", sys.argv[1]
assert "lower" not in words and "raise" not in words, words
PY
# What the layers show is said by the method: those of a rollout add up, those of a row are averaged.
found=$(probe by_layer "$choose document.title = ['row', 'rollout', 'gradient-x-input', 'frozen'].map(m => { choose(m); return document.getElementById('ribbon-means').textContent; }).join('|');")
holds python3 - "$found" <<'PY'
import sys
row, rollout, gradient, frozen = sys.argv[1].split("|")
assert "mean over layers" in row and "sum over layers" in rollout, (row, rollout)
assert gradient == frozen and frozen.startswith("How much of the target") and "do not add up" in frozen, frozen
PY
# The pieces add up to the same sum, whatever they are; the page opens with words and the answer in a sentence.
found=$(probe sums "$choose document.title = document.getElementById('title').textContent + '|' + state.by + '|' + ['token', 'word', 'sentence'].map(by => { setBy(by); return units.reduce((a, u) => a + unitScore(u, view().scores), 0).toFixed(4) + ' ' + units.length; }).join('|');")
holds python3 - "$found" <<'PY'
import sys
title, by, *parts = sys.argv[1].split("|")
assert title.startswith("The model gives") and by == "word", (title, by)
parts = [p.split() for p in parts]
assert len({p[0] for p in parts}) == 1, parts
assert int(parts[0][1]) >= int(parts[1][1]) > int(parts[2][1]) >= 1, parts
PY
# On a phone (a frame, for no window is that narrow) nothing is wider than the screen, and the axes are drawn.
with_script phone "document.getElementById('more').open = true; parent.postMessage(document.documentElement.scrollWidth + '|' + innerWidth + '|' + document.querySelectorAll('#sources th .axis text').length + '|' + Math.max(...['methods', 'sources'].map(id => document.getElementById(id).scrollWidth - document.getElementById(id).clientWidth)) + '|' + getComputedStyle(document.querySelector('#methods tbody td:nth-child(2)'), '::before').content, '*');"
echo '<title></title><script>onmessage = e => document.title = e.data</script><iframe style="width: 375px; height: 1200px; border: 0" src="phone.html"></iframe>' >frame.html
found=$(title_of frame)
holds python3 - "$found" <<'PY'
import sys
*numbers, name = sys.argv[1].split("|")
wide, screen, axis, hidden = map(int, numbers)
assert wide <= screen == 375 and axis == 3, sys.argv[1]
assert hidden == 0 and name == '"sum"', sys.argv[1]  # the checks do not scroll sideways; each number names its column
PY
finish
