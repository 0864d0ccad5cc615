"""Is anything slower than before? Runs the benchmarks of two builds in turn, on one pinned thread, and compares figure by figure.

    bench/pairs.py BEFORE/bin AFTER/bin [--pairs 10] [--cpu 0] [--only bench_scan,bench_model]

Build both with the bench/ sources of one of them: where a benchmark's own buffers lie moves short figures by a fifth.
Per figure: the median of the ratios of times after / before over the pairs and its 95 % bootstrap interval. Exit 1 if an
interval lies above 1.03 as a whole.
"""

import argparse
import os
import platform
import random
import re
import statistics
import subprocess
import sys
from pathlib import Path

SLOWER = 1.03
TIME = {"ms", "us", "s"}  # of the units of a figure; of the others, which are rates, more is better
FIGURE = re.compile(r"(\d+(?:\.\d+)?) (tok/s|tokens/s|GF/s|GB/s|G state updates/s|ms|us|s)\b")
DEFAULT = ["bench_scan", "bench_model", "bench_glr", "bench_gemm"]


def figures(program, cpu):
    """label -> seconds-like number of one run: time, or 1 / rate."""
    env = dict(os.environ, OMP_NUM_THREADS="1", OMP_PROC_BIND="true")
    run = subprocess.run(["taskset", "-c", str(cpu), program], capture_output=True, text=True, env=env, check=True)
    out, heading = {}, ""
    for line in run.stdout.splitlines():
        if not line.startswith(" "):
            heading = re.sub(r"[;,].*", "", line).strip()
        for i, (value, unit) in enumerate(FIGURE.findall(line)):
            words = " ".join(FIGURE.sub("", line).split())
            words = re.sub(r"\d+(\.\d+)? %[^,]*|limit \d+|load.*", "", words).strip(" ,")
            label = f"{program.name}: {heading if line.startswith(' ') else ''} {words} [{unit}{i or ''}]"
            number = float(value)
            if number > 0 and "limit" not in label and "peak" not in label:
                out[label] = number if unit in TIME else 1 / number
    return out


def interval(ratios, rng):
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(2000))
    return medians[49], medians[1949]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("before", type=Path)
    arguments.add_argument("after", type=Path)
    arguments.add_argument("--pairs", type=int, default=10)
    arguments.add_argument("--cpu", type=int, default=0)
    arguments.add_argument("--only", type=lambda s: s.split(","), default=DEFAULT)
    given = arguments.parse_args()
    print(f"{platform.processor() or platform.machine()}, load {os.getloadavg()[0]:.1f}, {given.pairs} pairs, CPU {given.cpu}")
    ratios = {}
    for pair in range(given.pairs):
        for name in given.only:
            sides = [given.before / name, given.after / name]
            order = [0, 1] if pair % 2 == 0 else [1, 0]
            found = {side: figures(sides[side], given.cpu) for side in order}
            for label in found[0].keys() & found[1].keys():
                ratios.setdefault(label, []).append(found[1][label] / found[0][label])
        print(f"pair {pair + 1} of {given.pairs}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    rng, slower, partial = random.Random(1), [], []
    print(f"{'after / before':>14}  {'95 % interval':>15}  figure")
    for label, values in sorted(ratios.items()):
        if len(values) < given.pairs:
            partial.append(label)
            continue
        low, high = interval(values, rng)
        mark = "  SLOWER" if low > SLOWER else ""
        slower += [label] if mark else []
        print(f"{statistics.median(values):14.3f}  {low:7.3f} {high:7.3f}  {label}{mark}")
    for label in partial:
        print(f"{'not compared':>14}  {'':15}  {label}: not in every pair")
    if len(ratios) == len(partial):
        sys.exit("expected figures that both builds print every time, found none")
    print(f"{len(ratios) - len(partial)} figures, {len(slower)} slower, {len(partial)} not compared")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
