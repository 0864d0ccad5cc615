#!/usr/bin/env bash
# Case A7: the name of an array says whether it holds sums or bounds of them, and -q hides no caveat.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
model=$(make_model)
blocks=(matrix -m "$model" --tokens 5,6,7,8,9,10,11,12 --layer 0 --map abs --blocks 4)
arrays() { python3 -c 'import sys, zipfile; print(*sorted(n for n in zipfile.ZipFile(sys.argv[1]).namelist()))' "$1"; }
floats() {
  python3 -c 'import struct, sys, zipfile
data = zipfile.ZipFile(sys.argv[1]).read(sys.argv[2] + ".npy") if sys.argv[1].endswith("npz") else open(sys.argv[1], "rb").read()
print(*struct.unpack(f"<{sys.argv[3]}f", data[-4 * int(sys.argv[3]):]))' "$@"
}

expect 0 "${blocks[@]}" -o sums.npy
expect 0 matrix -m "$model" --tokens 5,6,7,8,9,10,11,12 --layer 0 --map abs -o whole.npy
holds python3 -c 'import sys
sums, whole = ([float(x) for x in a.split()] for a in sys.argv[1:])
for p in range(4):
    for q in range(4):
        exact = sum(whole[8 * i + j] for i in (2 * p, 2 * p + 1) for j in (2 * q, 2 * q + 1))
        assert abs(sums[4 * p + q] - exact) <= 1e-6 + 1e-5 * exact, (p, q)' "$(floats sums.npy x 16)" "$(floats whole.npy x 64)"

expect 0 "${blocks[@]}" --sums bounds -q -o bounds.npz
holds grep -q "no sums but bounds" err
holds test "$(arrays bounds.npz)" = "edges.npy format.npy lower.npy upper.npy weights.npy"
holds python3 -c 'import sys
sums, lower, upper = ([float(x) for x in a.split()] for a in sys.argv[1:])
assert all(l <= s * 1.00001 + 1e-7 and s <= u * 1.00001 + 1e-7 for s, l, u in zip(sums, lower, upper))
assert sum(upper) > 1.01 * sum(sums)' "$(floats sums.npy x 16)" "$(floats bounds.npz lower 16)" "$(floats bounds.npz upper 16)"
expect_error 2 ".npz" "${blocks[@]}" --sums bounds -o bounds.npy
expect_error 2 "--blocks" matrix -m "$model" --tokens 5,6 --sums bounds -o b.npz
expect_error 2 "abs or positive" matrix -m "$model" --tokens 5,6,7,8 --blocks 2 --sums bounds -o b.npz
holds test ! -e b.npz -a ! -e bounds.npy
finish
