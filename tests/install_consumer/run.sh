#!/usr/bin/env bash
# run.sh BUILD: installs BUILD into an empty prefix, then builds and runs a program that knows nothing but that prefix.
set -euo pipefail
build=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
work=$(mktemp -d "${TMPDIR:-/tmp}/hindscan install XXXXXX")
trap 'rm -rf "$work"' EXIT

# run.sh builds the program alone; what is installed beside it is built with it.
ninja -C "$build" -t query bin/hindscan >"$work/built"
while read -r library; do
  grep -q "$library" "$work/built" || { echo "$library is installed, but not built with the program"; exit 1; }
done < <(grep -o 'libhindscan_[a-z]*\.a' "$build/cmake_install.cmake" | sort -u)

cmake --install "$build" --prefix "$work/prefix" >"$work/log" || { cat "$work/log"; exit 1; }
cp "$here/CMakeLists.txt" "$here"/*.cpp "$work/"
compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt") # its OpenMP is the one the libraries call
cmake -S "$work" -B "$work/build" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/log" 2>&1 ||
  { cat "$work/log"; exit 1; }
cmake --build "$work/build" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }

cd /
mkdir "$work/scratch"
HOME=$work "$work/build/consumer" "$work/prefix/share/hindscan/models" "$work/scratch"
HOME=$work "$work/build/ten_lines" | tee "$work/words"
grep -q '"shook"' "$work/words" && grep -q '^ shook  ' "$work/words"
"$work/prefix/bin/hindscan" --version
"$work/prefix/bin/hindscan" run -p "Once upon a time" -n 4 --json >"$work/out.json"
python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$work/out.json"
echo "install test passed"
