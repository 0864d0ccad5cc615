#!/usr/bin/env bash
# tools/sanitize.sh asan|ubsan|tsan [ctest arguments]: builds everything under a sanitizer and runs every test.
# asan: addresses and undefined behaviour, leaks too, except inside the libraries of tools/sanitize.supp. ubsan: undefined
# behaviour alone, with the release's optimisation. tsan: races, with clang and libomp, without oneDNN.
# HINDSCAN_JOBS (2): how many compile and run at once. A finding ends its test, so the list of failed tests is the result.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
source "$root/tools/setup.sh"
kind=${1:-}
[[ $kind == asan || $kind == ubsan || $kind == tsan ]] || { say "usage: tools/sanitize.sh asan|ubsan|tsan [ctest arguments]"; exit 2; }
shift
jobs=${HINDSCAN_JOBS:-2}
packages=("${libraries[@]}" "${test_libraries[@]}")
[[ $kind == tsan ]] && packages+=(clang libomp-dev)
install_packages "${packages[@]}"
build=$root/build/$kind

cd "$root"
cmake --preset "$kind" >"$build.log" 2>&1 || { tail -n 30 "$build.log" >&2; say "configuring failed"; exit 70; }
say "building in $build, all of $build.log"
ninja -C "$build" -j "$jobs" >"$build.log" 2>&1 || { grep -E 'error|FAILED' "$build.log" | head -n 20 >&2; say "the build failed"; exit 70; }

export ASAN_OPTIONS=allocator_may_return_null=1:detect_stack_use_after_return=1:detect_leaks=1
export LSAN_OPTIONS=suppressions=$root/tools/sanitize.supp:print_suppressions=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=ignore_noninstrumented_modules=1:halt_on_error=1
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-5000}
[[ $kind == tsan ]] && export OMP_NUM_THREADS=4 # more threads than one, whatever the machine
exec ctest --test-dir "$build" -j "$jobs" --output-on-failure --no-tests=error "$@"
