#!/usr/bin/env bash
# The HTML page in a real browser: it draws, runs nothing that a token says, and asks the network for nothing.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
  echo "skipped: no chromium here"
  exit 77
}
model=$(make_model)
pwn="document.documentElement.dataset.pwned=1"
hostile="<img src=x onerror=$pwn></script><script>$pwn</script><svg onload=$pwn> javascript:$pwn <!-- <script> \\\"'\`\${$pwn} {{script}}"
hostile+=$'\u2028\u202e\x1b[31m\r\n\t&lt;b&gt;'
expect 0 explain -m "$model" -p "$hostile" -o page.html
timeout 120 "$browser" --headless --no-sandbox --disable-gpu --enable-logging=stderr --user-data-dir="$work/profile" \
  --dump-dom "file://$work/page.html" >dom 2>browser.log
holds grep -q 'class="token' dom
holds grep -q 'id="detail"[^>]*>Token' dom
holds test -z "$(grep -o 'data-pwned' dom)"
holds test -z "$(grep 'CONSOLE' browser.log)"
holds test -z "$(grep -oE '<(img|iframe|link|object)[ >]' dom)"
finish
