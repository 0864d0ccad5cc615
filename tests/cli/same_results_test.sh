#!/usr/bin/env bash
# tools/same_results.py: the program agrees with itself; one altered digit, byte, file or exit code is found and named.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cat >list.txt <<'TXT'
# A few lines of every kind of output.
$ids = --tokens 3,7,1,12,5,9
make m: train --arch gru --d-model 8 --n-layer 1 --task induction --steps 1 --sequences 1 --length 16 --gemm f32 --out m
json: explain -m golden/kda $ids --edits 3 --json
text: explain -m golden/kda $ids --edits 0 --details
files: explain -m golden/mamba2 $ids --edits 0 -o e.npz -o e.html -o e.png
npy: logits -m m/model --tokens 1,2,3 -o l.npy
state: run -m golden/gru $ids -n 0 --state-out s ; run -m golden/gru --tokens 4,5 --state-in s -n 3 --seed 1 --json
weights: train -m m/model --task induction --steps 2 --sequences 1 --length 16 --gemm f32 --seed 2 --out t
TXT

# after: the program, but with ALTER (Python over the folder it wrote to and its output) on its results.
cat >after <<'PY'
#!/usr/bin/env python3
import os, pathlib, re, subprocess, sys
done = subprocess.run([os.environ["HINDSCAN"], *sys.argv[1:]], stdout=subprocess.PIPE)
out, code, files = done.stdout, done.returncode, {p.name: p for p in pathlib.Path(".").rglob("*") if not p.is_symlink()}
exec(os.environ["ALTER"])
sys.stdout.buffer.write(out)
sys.exit(code)
PY
chmod +x after

# compare EXIT LAST-LINE [ARGUMENTS...]: what the tool says stays in ./out.
compare() {
  local want=$1 last=$2 code
  shift 2
  checks=$((checks + 1))
  python3 -B "$HINDSCAN_ROOT/tools/same_results.py" "$HINDSCAN" "$work/after" --list list.txt "$@" >out 2>err
  code=$?
  ((code == want)) || fail "same_results $*: expected exit $want, found $code: $(head -c 400 out)"
  out_has "$last"
}
export HINDSCAN ALTER=pass
compare 0 "6 commands, 0 differ"

holds python3 -B "$HINDSCAN_ROOT/tools/same_results.py" --help >help

# What differs by nature is left out, and methods may stand in any order.
ALTER='import json
out = re.sub(rb"seconds\": [\d.]+|peak_bytes\": \d+", lambda m: m[0][:-1] + b"9", re.sub(rb"time  .*", b"time    9 s", out))
if b"explain/3" in out:
    d = json.loads(out); d["methods"].reverse(); out = json.dumps(d).encode()'
compare 0 "6 commands, 0 differ"

# alters ID PLACE ALTER: that line differs, there.
alters() {
  local id=$1 place=$2
  ALTER=$3
  compare 1 "1 command, 1 differs" --only "$id: "
  out_has "$id: $place"
}
alters json "output 1 .methods.rollout.scores[2]: " 'import json
d = json.loads(out); next(a for a in d["arrays"] if a["method"] == "rollout")["values"][2] *= 1 + 1e-15; out = json.dumps(d).encode()'
out_has "1 place differs"
alters text "output 1 line" 'out = out.replace(b"adds up", b"adds Up")'
edit='def edit(name, at):
    if name in files:
        data = bytearray(files[name].read_bytes()); data[at] ^= 1; files[name].write_bytes(data)
'
alters files "e.png bytes: " "${edit}edit('e.png', -20)"
alters npy "l.npy [" "${edit}edit('l.npy', -1)"
alters state "output 2 .tokens[" "${edit}out or edit('s', -2)"
out_has "1 more output differs"
alters weights "t/" "${edit}edit('optim.safetensors', -1)"
alters files "e.html: only BEFORE writes it" 'files.get("e.html") and files["e.html"].unlink()'
alters files "new: only AFTER writes it" '"e.html" in files and pathlib.Path("new").touch()'
alters npy "exit code 0 -> 65" 'code = 65 if "l.npy" in files else code'

# A reason given for a line counts it apart; one for another line does not.
printf '# why\nnpy: it is meant to\n' >why.txt
compare 0 "6 commands, 1 differs (1 explained)" --explained why.txt
printf 'text: something else\n' >why.txt
compare 1 "1 command, 1 differs" --explained why.txt --only "npy: "

# A line that does not run compares nothing, whatever reason is given.
printf 'broken: explain -m nowhere --tokens 1,2\n' >list.txt
printf '*: anything\n' >why.txt
compare 1 "expected exit code 0 of BEFORE, found 66" --explained why.txt

# The committed list: every family is trained and explained.
holds env PYTHONPATH="$HINDSCAN_ROOT/tools" python3 -B - "$HINDSCAN_ROOT/src/arch/archs.def" <<'PY'
import re, sys
from same_results import LIST, parse_list
lines = [" ".join(command) for line in parse_list(LIST)[1] for command in line.commands]
families = re.findall(r'^HS_ARCH\("(\w+)"', open(sys.argv[1]).read(), re.M)
wanted = [start + f for f in families for start in ("train --arch ", "explain -m golden/", "run -m golden/")]
missing = [start for start in wanted if not any(re.match(start + r"\b", line) for line in lines)]
assert len(lines) >= 200 and len(families) > 20 and not missing, (len(lines), missing)
PY
finish
