# shellcheck shell=bash disable=SC2154
# Shared by run.sh and test.sh: installs what is missing and builds. Everything said here goes to stderr.
# Sourced with $root set to the project's folder.

say() { printf 'hindscan: %s\n' "$*" >&2; }

# cache_folder: prints a folder that only we can write to. Without a home it lies where everybody can make one first.
cache_folder() {
  local folder=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
  if [[ -n $folder ]]; then
    folder=$folder/hindscan
    mkdir -p "$folder"
  else
    folder=${TMPDIR:-/var/tmp}/hindscan-$(id -u)
    mkdir -m 700 "$folder" 2>/dev/null || true
    if [[ ! -d $folder || -L $folder || ! -O $folder || $(stat -c %a "$folder") != 700 ]]; then
      say "expected $folder to be a folder of our own with mode 700, found something else; remove it, or set XDG_CACHE_HOME"
      return 77
    fi
  fi
  printf '%s' "$folder"
}

# CMake and Ninja stumble over some characters: such a clone is built through a link with a plain name.
if [[ $root == *[\'\"\&\;\<\>\|\*\?\`\$\#^\\\[\]\{\}%]* ]]; then
  link=$(cache_folder) || exit $?
  link+=/clone-$(printf '%s' "$root" | cksum | cut -d ' ' -f 1)
  ln -sfn "$root" "$link"
  root=$link
fi
build=$root/build/release
program=$build/bin/hindscan
tools=(g++ cmake ninja pkg-config flock)
declare -A package_of=([g++]=g++ [cmake]=cmake [ninja]=ninja-build [pkg-config]=pkg-config [flock]=util-linux)
libraries=(libfmt-dev libsimdjson-dev libhwy-dev libpng-dev libcli11-dev libpcre2-dev libutf8proc-dev libpango1.0-dev fonts-dejavu-core libdnnl-dev)
test_libraries=(libgtest-dev libgmock-dev python3-jsonschema)

missing_packages() {
  local tool package status
  local -A installed=()
  for tool in "${tools[@]}"; do
    command -v "$tool" >/dev/null || echo "${package_of[$tool]}"
  done
  # dpkg-query fails when it does not know a package: that one is missing, which is what we ask.
  while read -r package status; do
    [[ $status == ii ]] && installed[$package]=1
  done < <(dpkg-query -W -f='${Package} ${db:Status-Abbrev}\n' "$@" 2>/dev/null || true)
  for package in "$@"; do
    [[ -v installed[$package] ]] || echo "$package"
  done
}

install_packages() {
  command -v dpkg-query >/dev/null || { say "not a Debian system; it needs ${libraries[*]}"; return 0; }
  local missing as_root=()
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  if (($(id -u) != 0)); then
    command -v sudo >/dev/null || { say "root must first run: apt-get install ${missing[*]}"; exit 69; }
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600)
  local log
  log=$(mktemp)
  # A failed update is not fatal: the lists on the machine may do.
  "${apt[@]}" update >"$log" 2>&1 </dev/null || true
  if ! "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    say "could not install ${missing[*]}; check the network, then run this again"
    exit 69
  fi
  rm -f "$log"
}

# configure_build TESTS: once; again when the clone was moved or the tests are wanted for the first time.
configure_build() {
  local cache=$build/CMakeCache.txt fresh=()
  if [[ -f $cache ]]; then
    grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$cache" || fresh=(--fresh)
    if [[ -f $build/build.ninja ]] && ((${#fresh[@]} == 0)); then
      [[ $1 == OFF ]] || grep -qx 'HINDSCAN_TESTS:BOOL=ON' "$cache" && return 0
    fi
  fi
  cmake "${fresh[@]}" --preset release -S "$root" -B "$build" -DHINDSCAN_TESTS="$1" >"$build.log" 2>&1 && return 0
  tail -n 30 "$build.log" >&2
  say "configuring failed; the whole output is in $build.log"
  exit 70
}

# progress_lines WHAT [SECONDS]: reads what ninja or ctest prints and says every so often how far it is; other lines go
# to stdout, so that a failure can be shown.
progress_lines() {
  local what=$1 every=${2:-30} line part='' done=0 all=0 failed=0 said=$SECONDS now code
  while :; do
    code=0
    IFS= read -r -t "$((every > 0 ? every : 1))" line || code=$?
    part+=$line
    if ((code == 0)); then
      if [[ $part =~ ^\ *\[?([0-9]+)/([0-9]+)[]\ ] ]]; then
        done=${BASH_REMATCH[1]} all=${BASH_REMATCH[2]}
        [[ $part != *'***'* || $part == *'***Skipped'* ]] || failed=$((failed + 1))
      else
        printf '%s\n' "$part"
      fi
      part=''
    elif ((code <= 128)); then
      return 0
    fi
    now=$SECONDS
    ((all > 0 && now - said >= every)) || continue
    said=$now
    say "$what $done of $all$( ((failed == 0)) || echo ", $failed failed")"
  done
}

# build_targets TARGET...: says how far it is where that takes long.
build_targets() {
  local memory jobs cores steps
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ { print int($2 / 1500000) }' /proc/meminfo)
  jobs=$((memory < 1 ? 1 : memory < cores ? memory : cores))
  if [[ ! -x $program ]]; then
    say "building in $build; the first time takes minutes"
    if [[ -t 2 ]]; then
      ninja -C "$build" -j "$jobs" "$@" >&2 && return 0
      exit 70
    fi
  else
    steps=$(ninja -C "$build" -n "$@" 2>/dev/null | grep -c '^\[' || true)
    ((steps < 10)) || say "building $steps files that are new or changed; this takes a while"
  fi
  (set -o pipefail && ninja -C "$build" -j "$jobs" "$@" 2>&1 </dev/null | progress_lines "built" >"$build.log") && return 0
  grep -v '^ninja: Entering' "$build.log" | tail -n 60 >&2
  say "the build failed; the whole output is in $build.log"
  exit 70
}

# set_up TESTS(ON|OFF) TARGET...
set_up() {
  local tests=$1
  shift
  [[ $tests == ON ]] && tools+=(python3) package_of[python3]=python3 && libraries+=("${test_libraries[@]}")
  install_packages "${libraries[@]}"
  mkdir -p "$root/build" || { say "cannot write to $root; clone it to a folder of your own"; exit 73; }
  exec 9>"$root/build/.lock" || { say "cannot write to $root/build; was it built by another user?"; exit 73; }
  flock -n 9 || { say "waiting for another run.sh or test.sh that builds here"; flock 9; }
  configure_build "$tests"
  build_targets "$@"
  exec 9>&-
}
