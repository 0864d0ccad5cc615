#!/usr/bin/env bash
# Help, version, unknown commands and options.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

expect 0 --version
holds grep -qE '^hindscan [0-9]+\.[0-9]+\.[0-9]+$' out
expect 0 --help
out_has "explain"
holds test ! -s err
for command in explain run score matrix logits train info; do
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
