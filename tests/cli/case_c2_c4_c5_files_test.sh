#!/usr/bin/env bash
# Small files that could take gigabytes or minutes: refused with the limit, or read in proportion to their size.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
optimised=0
"$HINDSCAN" --version --json | grep -q '"Release"' && optimised=1 # a sanitizer's own memory is no measure

# within MEGABYTES CODE TEXT ARGUMENTS...: exit code and message of `hindscan info`, and its memory.
within() {
  local most=$(($1 * optimised)) want=$2 text=$3 code
  shift 3
  checks=$((checks + 1))
  python3 -B "$HINDSCAN_ROOT/tests/cli/measure.py" "$most" 60 "$HINDSCAN" info "$@" >out 2>err </dev/null
  code=$?
  ((code == want)) || fail "hindscan info $* : expected exit $want within $most MB, found $code"
  grep -qF -- "$text" err out || fail "hindscan info $* : lacks '$text'"
}

# make CODE: Python with the generators of fuzz/costly_inputs.py as c, the model's folder as `folder`, and Path.
make() {
  rm -rf made && mkdir made
  python3 -B -c "
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import costly_inputs as c
folder = Path('made')
$1" "$HINDSCAN_ROOT/fuzz" || fail "could not make the input"
}

# C2: 32 MiB of zeros, wherever JSON is read.
zeros="'[' + ','.join(['0'] * (1 << 24)) + ']'"
rm -rf zeros && cp -r "$model" zeros
python3 -c "open('zeros/config.json', 'w').write($zeros)"
within 220 71 "[zeros/config.json] expected at most" -m zeros
# A tokenizer that cannot be read is left out by info, with a note.
cp "$model/config.json" zeros && python3 -c "open('zeros/tokenizer.json', 'w').write($zeros)"
within 220 0 "JSON values" -m zeros
make "c.write_model(folder); (folder / 'model.safetensors').unlink()
(folder / 'model.safetensors.index.json').write_text($zeros)"
within 220 71 "JSON values" -m made

# C4: templates.
make "c.tokenizer_template(folder, None, items=20000, ids=20000, names=1, processors=1)"
within 150 0 "at most 1024 items of a template, found 20000" -m made
make "c.tokenizer_template(folder, None, items=1000, ids=20000, names=1, processors=1)"
within 150 0 "at most 1024 tokens around a text, found 20000" -m made
make "c.tokenizer_template(folder, None, items=10, ids=1, names=100000, processors=1)"
within 250 0 "expected a tokenizer of at most 2 tokens" -m made # read to its end
make "c.tokenizer_template(folder, None, items=10, ids=1, names=1, processors=10000)"
within 250 0 "expected one TemplateProcessing, found two" -m made

# C5: as many layers as there may be, of every release.
for version in 0 1 2 3; do
  make "c.rwkv_layers(folder, None, layers=10000, version=$version, width=1)"
  within 400 65 "model.bin" -m made/model.bin
  make "c.rwkv_layers(folder, None, layers=10001, version=$version, width=1)"
  within 400 65 "10001" -m made/model.bin
done
make "c.layers_that_exist(folder, None, layers=3000)"
within 400 0 "parameters" -m made

# Others of the kind: values of a pickle, entries of an archive, tensors and their names.
make "c.pickle_values(folder, None, values=4000000, group=900000, opcode=0)"
within 600 71 "values" -m made
make "c.pickle_doubling(folder, None, levels=200, width=200)"
within 600 65 "pytorch_model.bin" -m made
make "c.tensor_names(folder, None, tensors=50000, length=10, dimensions=1)"
within 600 65 "not what the configuration describes" -m made
finish
