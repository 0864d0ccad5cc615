#!/usr/bin/env bash
# Help, version, unknown commands and options.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

expect 0 --version
holds grep -qE '^hindscan [0-9]+\.[0-9]+\.[0-9]+$' out
expect 0 --version --json
python3 - out <<'PY' || fail "version JSON"
import json, re, sys
v = json.load(open(sys.argv[1]))
assert v["schema"] == "hindscan.version/1" and re.fullmatch(r"[0-9a-f]{12}(-dirty)?|unknown", v["commit"]), v
assert v["compiler"] and v["build_type"] and v["instruction_sets"]["built"] and "hindscan.explain/3" in v["formats"]
assert all(re.match(r"\d|none$", version) for version in v["libraries"].values()), v
assert set(v["libraries"]) >= {"fmt", "oneDNN", "Highway", "simdjson", "PCRE2", "utf8proc", "libpng", "CLI11"}, v
PY
expect_error 2 "nothing more or --json" --version --jsno
expect 0 --help
out_has "explain"
holds test ! -s err
for command in explain run score effects matrix logits train info; do
  expect 0 "$command" --help
  out_has "Examples:"
  out_has "hindscan $command"
  expect 0 help "$command"
  expect_error 2 "did you mean '--json'" "$command" --jsonn -o x
  expect_error 2 "--no-such-option-anywhere" "$command" --no-such-option-anywhere -o x
done
expect 2
holds grep -q "Usage" err
expect_error 2 "did you mean 'explain'" explian
expect_error 2 "unknown command" nonsense
expect_error 2 "expected one of -p TEXT" explain
expect_error 2 "more than one" explain -p a --tokens 1

expect_error 2 "twenty" explain -p a --target twenty
finish
