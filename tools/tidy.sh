#!/usr/bin/env bash
# tools/tidy.sh [BASE]: clang-tidy (checks of .clang-tidy) on the sources that differ from BASE (main), committed or not.
# Exit status 1 when it finds anything.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
source "$root/tools/setup.sh"
install_packages clang-tidy "${libraries[@]}" "${test_libraries[@]}"
cd "$root"
base=$(git merge-base HEAD "${1:-main}") || { say "expected a commit or branch to compare with, found '${1:-main}'"; exit 2; }
mapfile -t files < <({ git diff --name-only --diff-filter=d "$base"; git ls-files --others --exclude-standard; } | grep -E '\.cpp$' | grep -v '^fuzz/' | sort -u)
((${#files[@]})) || { say "no source differs from $base"; exit 0; }
[[ -f $build/compile_commands.json ]] || configure_build ON
say "clang-tidy on ${#files[@]} files"
printf '%s\0' "${files[@]}" | xargs -0 -P "${HINDSCAN_JOBS:-2}" -n 1 \
  clang-tidy -p "$build" --quiet --warnings-as-errors='*' --extra-arg=-Wno-unknown-warning-option 2> >(grep -v 'warnings generated' >&2)
