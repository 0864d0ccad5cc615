#!/usr/bin/env bash
# --mem-limit is what the whole process may take, weights included: held, or refused before.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$HINDSCAN_ROOT/models/english
"$HINDSCAN" --version --json | grep -q '"Release"' || { echo "skipped: not a release build, whose memory is no measure"; exit 77; }
python3 -c 'print("Once upon a time there was a little girl who lived in a house. " * 60)' >long.txt

# bounded MEBIBYTES ARGUMENTS...: refused with 71, or done in as much and a tenth more.
held=0 refused=0
bounded() {
  local limit=$1 code
  shift
  checks=$((checks + 1))
  python3 -B "$HINDSCAN_ROOT/tests/cli/measure.py" "$(python3 -c "print($limit * 1.048576 * 1.1)")" 600 \
    "$HINDSCAN" "$@" --mem-limit "${limit}M" -t 1 >out 2>err </dev/null
  code=$?
  case $code in
    0) held=$((held + 1)) ;;
    71) refused=$((refused + 1)) && grep -q "MiB\|GB" err || fail "no number in the refusal of $*" ;;
    *) fail "hindscan $* --mem-limit ${limit}M : exit $code" ;;
  esac
}

for limit in 20 50 100 150 250; do
  bounded "$limit" explain -m "$model" -f long.txt --edits 0
  bounded "$limit" explain -m "$model" -f long.txt
  bounded "$limit" matrix -m "$model" -f long.txt --layer 0 --blocks 16 -o m.npy
  bounded "$limit" logits -m "$model" -f long.txt -o l.npy
done
expect_error 71 "[--mem-limit] expected at least" explain -m "$model" -p "The cat" --mem-limit 1M
head -c 60M /dev/zero | tr '\0' a >big.txt
expect_error 71 "[big.txt] expected at most" logits -m "$model" -f big.txt --mem-limit 100M
expect_error 71 "[big.txt] expected at most" logits -m "$model" --tokens @big.txt --mem-limit 100M
((held >= 4)) || fail "expected some requests to be done, found $held"
((refused >= 4)) || fail "expected some requests to be refused, found $refused"
finish
