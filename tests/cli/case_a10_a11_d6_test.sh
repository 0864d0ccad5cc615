#!/usr/bin/env bash
# Cases A10, A11, D6: texts as they come from pipes and files.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
explain=(explain -m "$model" --method row --edits 0 --json)

# piped CODE TEXT ARGUMENTS...: with TEXT on standard input.
piped() {
  local want=$1 text=$2 code
  shift 2
  checks=$((checks + 1))
  printf '%b' "$text" | "$HINDSCAN" "$@" >out 2>err
  code=${PIPESTATUS[1]}
  ((code == want)) || fail "'$text' | hindscan $* : expected exit $want, found $code"
}
# says TEXT: the tokens of ./out make this text.
says() { holds python3 -c 'import json, sys; t = b"".join(bytes.fromhex(x["bytes"]) if "bytes" in x else x["text"].encode() for x in json.load(open("out"))["tokens"]); assert t == sys.argv[1].encode(), repr(t)' "$1"; }

# The newline that echo leaves is no word; what is done is said, and --newline keeps it.
for source in "-p -" "-f -" ""; do
  piped 0 'The dog ran to the\n' "${explain[@]}" $source
  says "The dog ran to the"
  holds grep -q -- "--newline keep" err
done
piped 0 'The dog ran to the\n' "${explain[@]}" --newline keep -p -
says $'The dog ran to the\n'
piped 0 'The dog\n\n' "${explain[@]}" -f -
says $'The dog\n'
piped 65 '\n' "${explain[@]}"
piped 0 'The dog ran\n' score -m "$model" --json
holds python3 -c 'import json; assert json.load(open("out"))["bytes"] == len(" dog ran\n")'
printf 'The dog ran\n' >ended.txt
expect 0 "${explain[@]}" -f ended.txt
says $'The dog ran\n'
holds grep -q -- "--newline drop" err
expect 0 "${explain[@]}" -f ended.txt --newline drop
says "The dog ran"
printf '5,6,7\n' >ids
expect 0 "${explain[@]}" --tokens @ids
checks=$((checks + 1)) && "$HINDSCAN" "${explain[@]}" --tokens @- <ids >out 2>err || fail "--tokens @-"

# D6: nothing, or /dev/null, is no text; words without -p get the command they meant.
expect_error 2 "pipe" "${explain[@]}"
expect_error 66 "hindscan explain -p 'The cat sat'" explain "The cat sat"

# Marks, line ends and encodings of other systems.
printf '\xef\xbb\xbfThe cat\r\nsat' >windows.txt
expect 0 "${explain[@]}" -f windows.txt
says $'The cat\nsat'
holds grep -q "CR LF" err
printf '\xff\xfeT\0h\0e\0' >wide.txt
expect_error 65 "UTF-16" "${explain[@]}" -f wide.txt
echo '{"model_type": "mamba", "hidden_size": 16, "num_hidden_layers": 1, "vocab_size": 4096}' >tiny.json
expect_error 65 "UTF-16" train --config tiny.json --tokenizer "$model/tokenizer.json" --data wide.txt --out run
printf '\xff\xfea\0b\0c\0\n\0' >letters.txt
expect 0 logits -m "$model" --tokenizer letters.txt -p cab
printf '\xfd7zXZ\0\0\4data' >text.xz
expect_error 65 "an xz file; decompress it first" score -m "$model" -f text.xz

# A11: characters that the vocabulary lacks are stood in for, counted and placed.
cp -r "$model" lacking
python3 - <<'PY'
import json
t = json.load(open("lacking/tokenizer.json"))
v = t["model"]["vocab"]
def unsay(byte):  # the byte-level letter of a byte
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    return chr(byte) if byte in keep else chr(256 + [b for b in range(256) if b not in keep].index(byte))
for b in (0xfc, 0xbc):
    v[f"<absent {b}>"] = v.pop(unsay(b)) if unsay(b) in v else len(v)
gone = {unsay(b) for b in (0xfc, 0xbc)}
t["model"]["merges"] = [m for m in t["model"]["merges"] if not any(c in gone for c in ("".join(m) if isinstance(m, list) else m))]
json.dump(t, open("lacking/tokenizer.json", "w"))
PY
printf 'gr\xfcn und f\xfcr' >latin1.txt
expect 0 explain -m lacking -f latin1.txt --method row --edits 0 --json
says $'gr\ufffdn und f\ufffdr'
holds grep -q "2 characters of the text have no token .* read as U+FFFD: the first is 0xfc at byte 2.*iconv" err
expect 0 explain -m lacking -p $'f\u00fcr' --method row --edits 0 --json
says $'f\ufffdr'
holds grep -q "1 character of the text has no token .* the first is '.*' at byte 1; the model has never seen" err
expect 0 "${explain[@]}" -p $'f\u00fcr'
says $'f\u00fcr'
expect 0 train --config tiny.json --tokenizer lacking/tokenizer.json --data latin1.txt --steps 1 --sequences 1 --length 4 --out latin --json
holds grep -q "2 characters of the text have no token .* read as U+FFFD" err
finish
