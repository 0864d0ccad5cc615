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
drawn() { # PAGE: what the browser makes of it, in dom and browser.log
  timeout 120 "$browser" --headless --no-sandbox --disable-gpu --enable-logging=stderr --user-data-dir="$work/profile" \
    --dump-dom "file://$work/$1" >dom 2>browser.log
}
drawn page.html
holds grep -q 'class="token' dom
holds grep -q 'id="detail"[^>]*>Token' dom
holds test -z "$(grep -o 'data-pwned' dom)"
holds test -z "$(grep 'CONSOLE' browser.log)"
holds test -z "$(grep -oE '<(img|iframe|link|object)[ >]' dom)"

# Vectors are not words.
python3 - <<'PY'
import struct
def npy(name, descr, shape, data):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, shape)
    head += " " * (-(len(head) + 11) % 64) + "\n"
    open(name, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)
npy("x.npy", "<f4", "(8, 5, 2)", struct.pack("<80f", *[(i * 37 % 11) / 5 - 1 for i in range(80)]))
npy("y.npy", "<i8", "(8,)", struct.pack("<8q", *[i % 2 for i in range(8)]))
npy("one.npy", "<f4", "(1, 5, 2)", struct.pack("<10f", *[i / 10 for i in range(10)]))
PY
expect 0 train --task classify --arch mamba --d-model 16 --n-layer 2 --steps 2 --labels y.npy --features x.npy --out vectors -q
expect 0 explain -m vectors/model --features one.npy -o vectors.html
drawn vectors.html
holds grep -q 'id="h-tokens"[^>]*>What each vector counts for' dom
holds grep -q 'id="detail"[^>]*>Vector 4 of 0..4' dom
holds test -z "$(grep 'CONSOLE' browser.log)"
finish
