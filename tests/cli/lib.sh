# shellcheck shell=bash
# For the tests of the program: HINDSCAN is the program, HINDSCAN_ROOT the project's folder (ctest sets both).
set -uo pipefail
: "${HINDSCAN:?set HINDSCAN to the program}" "${HINDSCAN_ROOT:?set HINDSCAN_ROOT to the project folder}"
work=$(mktemp -d "${TMPDIR:-/tmp}/hindscan cli XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
unset NO_COLOR CLICOLOR_FORCE HINDSCAN_FORCE_ISA
export LC_ALL=C.UTF-8
checks=0
failures=0

# make_model [fault]: prints the folder of a small random model.
make_model() {
  local folder=$work/model${1:+-$1}
  [[ -d $folder ]] || python3 -B "$HINDSCAN_ROOT/tests/cli/make_model.py" "$folder" \
    "$HINDSCAN_ROOT/models/english/tokenizer.json" "${1:-}" || exit 1
  printf '%s' "$folder"
}

fail() {
  failures=$((failures + 1))
  printf 'FAILED: %s\n' "$*"
  [[ -s err ]] && sed 's/^/  stderr: /' err | head -n 8
  return 0
}

# expect CODE ARGUMENTS...: runs the program without a terminal; its output stays in ./out and ./err.
expect() {
  local want=$1 code
  shift
  checks=$((checks + 1))
  "$HINDSCAN" "$@" >out 2>err </dev/null
  code=$?
  ((code == want)) || fail "hindscan $* : expected exit $want, found $code"
}

# expect_error CODE TEXT ARGUMENTS...: one clear message on stderr holding TEXT, nothing on stdout.
expect_error() {
  local want=$1 text=$2
  shift 2
  expect "$want" "$@"
  [[ -s out ]] && fail "hindscan $* : printed to stdout: $(head -c 200 out)"
  grep -qF -- "$text" err || fail "hindscan $* : stderr lacks '$text'"
  (($(wc -l <err) <= 12)) || fail "hindscan $* : the message is longer than 12 lines"
}

# holds COMMAND...: the command succeeds.
holds() {
  checks=$((checks + 1))
  "$@" || fail "$*"
}

out_has() { holds grep -qF -- "$1" out; }
out_is_json() { holds python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "${1:-out}"; }

finish() {
  printf '%d checks, %d failed\n' "$checks" "$failures"
  ((failures == 0))
}
