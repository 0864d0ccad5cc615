#!/usr/bin/env bash
# Case D5: pictures that say what they show: words, axes, legend, target; of long texts and of matrices too.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)

# size FILE: width and height of a PNG.
size() { python3 -c 'import struct, sys; b = open(sys.argv[1], "rb").read(); assert b[:8] == b"\x89PNG\r\n\x1a\n"; print(*struct.unpack(">II", b[16:24]))' "$1"; }
expect 0 explain -m "$model" -p "The cat sat on the mat." --edits 0 -o a.png
expect 0 explain -m "$model" -p "The cat sat on the hat." --edits 0 -o b.png
holds test "$(size a.png | cut -d ' ' -f 1)" -gt 1000
holds test "$(cmp -s a.png b.png; echo $?)" = 1
expect 0 explain -m "$model" -p "The cat sat on the mat." --edits 0 -o again.png
holds cmp -s a.png again.png
for i in $(seq 400); do printf 'Line %d of a long text. ' "$i"; done >long.txt
expect 0 explain -m "$model" -f long.txt --edits 0 --method frozen -o long.png
holds test "$(size long.png | cut -d ' ' -f 2)" -lt 4000
expect 0 explain -m "$model" -p "The cat" --edits 0 --by sentence --method row -o row.png
expect 0 matrix -m "$model" -p "The cat sat on the mat." --layer 1 -o m.png
holds test "$(size m.png | cut -d ' ' -f 2)" -gt 300
expect 0 matrix -m "$model" -f long.txt --layer 0 --blocks 16 --map abs -o blocks.png
expect 0 matrix -m "$model" -f long.txt --layer 0 --rows 100:140 --cols 0:140 -o tile.png
expect_error 2 ".png" matrix -m "$model" -p "The cat" --layer 0 -o m.jpg

# Without any font: a clear refusal, and nothing half written.
printf '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig></fontconfig>' >none.conf
FONTCONFIG_FILE=$PWD/none.conf expect_error 78 "fonts-dejavu-core" explain -m "$model" -p "The cat" --edits 0 -o none.png
holds test ! -e none.png
finish
