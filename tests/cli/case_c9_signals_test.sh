#!/usr/bin/env bash
# A first signal ends a read that waits; a limit on file sizes is an error like a full disk; controls are escaped.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)

checks=$((checks + 1))
python3 -B - "$HINDSCAN" "$model" <<'PY' || fail "a signal while an input is awaited"
import errno, os, signal, subprocess, sys, time
program, model = sys.argv[1:]

def until(ready):
    for _ in range(6000):
        if ready():
            return
        time.sleep(0.01)
    sys.exit("the program did not begin to read")

def stopped(process, name):
    process.send_signal(name)
    code = process.wait(timeout=60)  # it would wait for ever
    if code != 128 + name:
        sys.exit(f"expected exit {128 + name}, found {code}: {process.stderr.read()!r}")

os.mkfifo("fifo")
for name in (signal.SIGTERM, signal.SIGINT):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for flag in ("-f", "--state-in", "--tokenizer", "-m"):
        arguments = ["-p", "a"] if flag != "-f" else []
        arguments += ["-m", model] if flag != "-m" else []
        process = subprocess.Popen([program, "run", "-n", "1", *arguments, flag, "fifo"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        writers = []
        def opened():
            try:
                writers.append(os.open("fifo", os.O_WRONLY | os.O_NONBLOCK))
                return True
            except OSError as e:
                return False if e.errno == errno.ENXIO else sys.exit(str(e))
        until(opened)  # only when the reader is there
        os.write(writers[0], b"The")
        stopped(process, name)
        os.close(writers[0])

    read, write = os.pipe()
    process = subprocess.Popen([program, "score", "-m", model, "-p", "-"], stdin=read, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    pipe = os.fstat(read).st_ino
    def duplicated():
        links = []
        for fd in os.listdir(f"/proc/{process.pid}/fd"):
            try:
                links.append(os.stat(f"/proc/{process.pid}/fd/{fd}").st_ino == pipe)
            except OSError:
                pass
        return sum(links) > 1
    until(duplicated)
    stopped(process, name)
    os.close(read), os.close(write)
PY

# Beyond the limit on file sizes: exit 74, the old file whole, nothing left over. Not under tsan, which maps files of its own.
if [[ -z ${TSAN_OPTIONS:-} ]]; then
  echo old >big.npy
  checks=$((checks + 1))
  (ulimit -f 4 && "$HINDSCAN" logits -m "$model" -p "The cat sat on the mat" -o big.npy >out 2>err)
  code=$?
  ((code == 74)) || fail "beyond the file size limit: expected exit 74, found $code"
  holds grep -qi "file too large" err
  holds test "$(cat big.npy)" = old
  holds test "$(find . -name 'big.npy.*' | wc -l)" = 0
fi

# U+009B begins a terminal's control sequence, U+202E turns the text around.
text=$(printf 'cat \xc2\x9b31m sat \xe2\x80\xae on')
clean() { [[ -s $1 ]] && ! LC_ALL=C grep -q "$(printf '\xc2\x9b\|\xe2\x80\xae')" "$1"; }
expect 0 explain -m "$model" -p "$text" --json
holds clean out
out_is_json
holds python3 -c 'import json; t = b"".join(bytes.fromhex(x["bytes"]) if "bytes" in x else x["text"].encode() for x in json.load(open("out"))["tokens"]); assert t.decode() == "cat \u009b31m sat \u202e on", t'
expect 0 explain -m "$model" -p "$text" -o page.html
holds clean page.html
expect 0 explain -m "$model" -p "$text"
holds clean out
expect 0 score -m "$model" -p "$text" --json
holds clean out
expect 0 run -m "$model" -p "$text" -n 1 --json
holds clean out
finish
