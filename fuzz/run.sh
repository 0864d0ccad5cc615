#!/usr/bin/env bash
# Builds the fuzz targets (clang, ASan + UBSan, source coverage) and runs each.
# Prints executions, speed and line coverage of the parser; fails on a finding or below 90 % of its lines.
# Usage: fuzz/run.sh [executions, default 20000] [target ...]    A finding is kept in the build folder and ends the run.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=${HINDSCAN_FUZZ_BUILD:-$root/build/fuzz}
runs=${1:-20000}
shift $(($# > 0 ? 1 : 0))
targets=("${@:-}")
[ -n "${targets[0]}" ] || targets=(safetensors config tokenizer torch_file rwkv_bin rwkv_vocab npy state_file checkpoint labelled)

declare -A parser=(
  [safetensors]="src/io/safetensors_header.cpp src/io/safetensors_parse.cpp"
  [config]="src/io/json.cpp src/io/json_parse.cpp src/io/json_write.cpp src/io/json_reader.cpp
    src/core/config.cpp src/model/config_json.cpp src/arch/registry.cpp"
  [tokenizer]="src/io/tokenizer.cpp src/io/tokenizer_load.cpp src/io/tokenizer_load_model.cpp src/io/tokenizer_load_added.cpp
    src/io/tokenizer_keys.cpp src/io/unknown_keys.cpp src/io/tokenizer_companions.cpp src/io/added_list.cpp src/io/tokenizer_config_keys.cpp
    src/io/pre_tokenizer.cpp src/io/split_gpt2.cpp src/io/split_steps.cpp
    src/io/split_regex.cpp src/io/split_emit.h src/io/added_tokens.cpp src/io/bpe.cpp src/io/bpe.h src/io/nfc.cpp
    src/io/unicode_class.cpp src/io/byte_level.cpp"
  [torch_file]="src/io/zip_reader.cpp src/io/torch_pickle.cpp src/io/pickle_globals.cpp src/io/pickle_objects.cpp src/io/pickle_stack.cpp
    src/io/torch_file.cpp"
  [rwkv_bin]="src/io/rwkv_bin.cpp src/io/rwkv_bin_names.cpp src/model/rwkv_file.cpp"
  [rwkv_vocab]="src/io/vocabulary_file.cpp src/io/python_literal.cpp src/io/longest_match.cpp"
  [npy]="src/io/npy_read.cpp"
  [state_file]="src/model/state_file.cpp"
  [checkpoint]="src/train/options.cpp"
  [labelled]="src/train/labelled_files.cpp"
)

tool() { command -v "$1" || command -v "$1-14"; }
profdata=$(tool llvm-profdata)
cov=$(tool llvm-cov)

export CXX=${CXX:-$(tool clang++)}
(cd "$root" && cmake --preset fuzz -B "$build" -DCMAKE_CXX_COMPILER="$CXX" >/dev/null)
cmake --build "$build" --parallel "${HINDSCAN_JOBS:-2}" --target "${targets[@]/%/_fuzz}"
[[ -w /dev/shm ]] && export TMPDIR=/dev/shm # targets that write files are five times as fast
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1

for target in "${targets[@]}"; do
  work=$build/work/$target
  binary=$build/bin/${target}_fuzz
  mkdir -p "$work/corpus" "$work/findings"
  echo "== $target: $runs executions"
  log=$work/log.txt
  if ! LLVM_PROFILE_FILE=$work/run.profraw "$binary" -runs="$runs" -seed=1 -max_len=2048 \
    -timeout=60 -rss_limit_mb=2048 -malloc_limit_mb=256 -print_final_stats=1 -dict="$root/fuzz/json.dict" \
    -artifact_prefix="$work/findings/" "$work/corpus" "$root/fuzz/corpus/$target" >"$log" 2>&1; then
    tail -n 40 "$log"
    echo "finding in $target; the input is in $work/findings"
    exit 1
  fi
  grep -E "^Done|stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)" "$log"
  "$profdata" merge -o "$work/run.profdata" "$work/run.profraw"
  sources=()
  for file in ${parser[$target]}; do sources+=("$root/$file"); done
  "$cov" export -summary-only -instr-profile="$work/run.profdata" "$binary" >"$work/coverage.json"
  python3 "$root/fuzz/coverage.py" "$work/coverage.json" "${sources[@]}"
done
