#!/usr/bin/env bash
# Where an output file is already: its mode, a link's place and files of others stay.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
outputs=(map.npy page.html picture.png)

write() {
  case $1 in
    *.npy) expect "$2" matrix -m "$model" -p "a b c" --layer 0 -o "$1" ;;
    *) expect "$2" explain -m "$model" -p "a b c" -o "$1" ;;
  esac
}

for file in "${outputs[@]}"; do
  echo old >"$file" && chmod 600 "$file"
  write "$file" 0
  holds test "$(stat -c %a "$file")" = 600
  holds test "$(wc -c <"$file")" -gt 100

  mkdir -p real && echo old >"real/$file" && chmod 640 "real/$file" && ln -s "real/$file" "link-$file"
  write "link-$file" 0
  holds test -L "link-$file"
  holds test "$(stat -c %a "real/$file")" = 640
  holds test "$(wc -c <"real/$file")" -gt 100

  ln -s nowhere "dangling-$file"
  write "dangling-$file" 73
  holds test -L "dangling-$file"
  holds test ! -e nowhere
done

# The program draws the name of its temporary file: what lies under names of its process number is not its own.
checks=$((checks + 1))
bash -c 'for i in 0 1 2 3 4; do echo theirs >"fresh.npy.tmp-$$-$i"; done; exec "$@"' - \
  "$HINDSCAN" matrix -m "$model" -p "a b c" --layer 0 -o fresh.npy >out 2>err </dev/null || fail "beside names of others"
holds test -s fresh.npy
holds test "$(cat fresh.npy.tmp-*)" = "$(printf 'theirs\n%.0s' 1 2 3 4 5)"
holds test "$(find . -name '*.tmp-*' | wc -l)" = 5
finish
