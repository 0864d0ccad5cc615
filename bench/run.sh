#!/usr/bin/env bash
# Builds the benchmarks and runs them on one thread, then on all; arguments go to each, e.g. --benchmark_filter=scan.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
source "$root/tools/setup.sh"
install_packages "${libraries[@]}" libbenchmark-dev
mkdir -p "$root/build"
cd "$root"
cmake --preset release -B build/bench -DHINDSCAN_BENCH=ON -DHINDSCAN_TESTS=OFF >build/bench.log 2>&1 ||
  { tail -n 30 build/bench.log >&2; exit 70; }
cmake --build build/bench >build/bench.log 2>&1 || { tail -n 60 build/bench.log >&2; exit 70; }

export OMP_PROC_BIND=true OMP_PLACES=cores
shopt -s nullglob
programs=(build/bench/bin/bench_*)
((${#programs[@]})) || { say "no benchmark was built"; exit 70; }
failed=0
for threads in 1 $(nproc); do
  echo "== $threads thread(s), load $(cut -d' ' -f1 /proc/loadavg)"
  for program in "${programs[@]}"; do
    OMP_NUM_THREADS=$threads "$program" "$@" || failed=1
  done
done
exit $failed
