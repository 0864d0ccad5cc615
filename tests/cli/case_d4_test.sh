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

# probe NAME SCRIPT WIDTH: the page with a script of ours (its policy taken out) that writes what it found into the title.
probe() {
  python3 - "$1" "$2" <<'PY'
import re, sys
page = open("page.html", encoding="utf-8").read()
page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
open(sys.argv[1] + ".html", "w", encoding="utf-8").write(page.replace("</body>", "<script>" + sys.argv[2] + "</script></body>"))
PY
  timeout 120 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" --window-size="$3,1200" \
    --dump-dom "file://$work/$1.html" 2>"$1.log" | grep -o '<title>[^<]*' | sed 's/<title>//'
}
ends='const t = (id, end) => document.querySelector("#" + id + " ." + end).textContent;'
found=$(probe legends "$ends document.title = t('scale', 'low') + '|' + t('scale', 'high') + '|' + t('ribbon-scale', 'low') + '|' + t('ribbon-scale', 'high') + '|' + Math.max(...units.map(u => Math.abs(unitScore(u, view().scores)))).toFixed(3) + '|' + [...document.querySelectorAll('#sources th .axis text')].map(e => e.textContent).join(' ');" 800)
holds python3 - "$found" <<'PY'
import sys
low, high, below, above, top, axis = sys.argv[1].split("|")
assert low == f"lowers it -{top}" and high == f"+{top} raises it", (low, high, top)
assert below.startswith("lowers it -") and above == f"+{below.split('-')[1]} raises it", (below, above)
ends = [float(v) for v in axis.split()]
assert ends[0] == -ends[2] and ends[1] == 0 and abs(ends[2] - float(top)) < 0.006, axis
PY
# Sizes alone: nothing is said of raising and lowering, and every bar begins at the left.
found=$(probe magnitude "$ends document.getElementById('magnitude').click(); document.title = t('scale', 'low') + '|' + t('scale', 'high') + '|' + document.getElementById('sources-scale').textContent + '|' + [...document.querySelectorAll('#sources td rect')].every(r => r.getAttribute('x') === '0');" 800)
holds python3 - "$found" <<'PY'
import sys
low, high, words, left = sys.argv[1].split("|")
assert low == "0" and "whatever the sign" in high and left == "true", sys.argv[1]
assert "lower" not in words and "raise" not in words, words
PY
# The pieces add up to the same sum, whatever they are; the page opens with words and the answer in a sentence.
found=$(probe sums "document.title = document.getElementById('title').textContent + '|' + state.by + '|' + ['token', 'word', 'sentence'].map(by => { setBy(by); return units.reduce((a, u) => a + unitScore(u, view().scores), 0).toFixed(4) + ' ' + units.length; }).join('|');" 800)
holds python3 - "$found" <<'PY'
import sys
title, by, *parts = sys.argv[1].split("|")
assert title.startswith("The model gives") and by == "word", (title, by)
parts = [p.split() for p in parts]
assert len({p[0] for p in parts}) == 1, parts
assert int(parts[0][1]) >= int(parts[1][1]) > int(parts[2][1]) >= 1, parts
PY
# On a phone nothing is wider than the screen, and the axes are drawn.
found=$(probe phone "const wide = document.documentElement.scrollWidth; document.title = wide + '|' + innerWidth + '|' + document.querySelectorAll('#sources th .axis text').length;" 375)
holds python3 - "$found" <<'PY'
import sys
wide, screen, axis = map(int, sys.argv[1].split("|"))
assert wide <= screen and axis == 3, sys.argv[1]
PY
finish
