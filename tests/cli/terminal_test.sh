#!/usr/bin/env bash
# Pipes, colours, hostile text, signals.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
esc=$'\033'
text="Once upon a time there was a cat."

# A pipe gets no escape sequence unless it was asked for.
expect 0 explain -m "$model" -p "$text" --method frozen
holds test -z "$(grep "$esc" out)"
expect 0 explain -m "$model" -p "$text" --method frozen --color always
holds grep -q "$esc" out
export NO_COLOR=1
expect 0 explain -m "$model" -p "$text" --method frozen
holds test -z "$(grep "$esc" out)"
unset NO_COLOR

# on_terminal ARGUMENTS...: the program on a pseudo-terminal; what it shows goes to ./screen.
on_terminal() {
  checks=$((checks + 1))
  python3 - "$HINDSCAN" "$@" <<'PY' >screen || fail "on a terminal: hindscan $*"
import os, pty, sys
raise SystemExit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:], lambda fd: os.read(fd, 65536), lambda fd: b"")))
PY
}
if python3 -c 'import os; os.openpty()' 2>/dev/null; then
  TERM=xterm-256color on_terminal explain -m "$model" -p "$text" --method frozen
  holds grep -q "$esc" screen
  NO_COLOR=1 TERM=xterm-256color on_terminal explain -m "$model" -p "$text" --method frozen
  holds test -z "$(grep "$esc" screen)"
else
  echo "no pseudo-terminal to be had: not tested on one"
fi

# Text is untrusted: its control characters never reach the terminal or the page raw.
hostile=$'a\033]0;owned\007b\033[31m \xe2\x80\xae <script>alert(1)</script> & "q"\r\n\tend'
expect 0 explain -m "$model" -p "$hostile" --method frozen
holds test -z "$(tr -d '\n' <out | grep -P '[\x00-\x08\x0b-\x1f\x7f]')"
holds test -z "$(grep -P '\x{202e}' out)"
expect 0 explain -m "$model" -p "$hostile" --method frozen --json
out_is_json
expect 0 explain -m "$model" -p "$hostile" --method frozen -o page.html
holds test -z "$(grep -F '<script>alert(1)' page.html)"

# A reader that leaves early is no error.
checks=$((checks + 1))
set +o pipefail
"$HINDSCAN" run -m "$model" -p "$text" -n 2000 2>err | head -c 1 >/dev/null
codes=("${PIPESTATUS[@]}")
set -o pipefail
((codes[0] == 0 || codes[0] == 141)) || fail "a closed pipe: exit ${codes[0]}"
holds test ! -s err

# Input from a pipe.
checks=$((checks + 1))
printf '%s' "$text" | "$HINDSCAN" score -m "$model" -p - --json >out 2>err || fail "score -p -"
out_is_json

# stopped_by SIGNAL CODE: a long run ends soon after the signal with that code.
stopped_by() {
  checks=$((checks + 1))
  python3 - "$1" "$2" "$HINDSCAN" run -m "$model" -p "$text" -n 100000000 --temp 1 <<'PY' || fail "signal $1"
import signal, subprocess, sys, time
number, want = getattr(signal, sys.argv[1]), int(sys.argv[2])
signal.signal(number, signal.SIG_DFL)
process = subprocess.Popen(sys.argv[3:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
process.stdout.read(1)
process.send_signal(number)
begin = time.monotonic()
process.stdout.read()
code = process.wait(timeout=60)
print(f"{sys.argv[1]}: exit {code} after {time.monotonic() - begin:.2f} s")
sys.exit(code != want)
PY
}
stopped_by SIGINT 130
stopped_by SIGTERM 143
finish
