#!/usr/bin/env python3
"""What other processes cost: run, score, explain and train with default threads against -t 1, on a quiet machine and
beside 1, N and 2 N spinning processes (N cores). One command prints the whole table:

    bench/busy.py build/release/bin/hindscan [--baseline OTHER_HINDSCAN] [--alone] [--pairs 5]

Runs alternate. `ratio` is the median of default / -t 1 over the pairs, with the smallest and largest; it should stay
below 1.2 in every row. With --baseline the quiet rows also say how the program compares with another build of it, both
with default threads. --alone (root) is for a machine that is not quiet: its quiet rows get a real-time priority, and
/proc/loadavg is hidden from them.
"""

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def spin():
    while True:
        pass


class Hogs:
    def __init__(self, count):
        self.processes = [multiprocessing.Process(target=spin, daemon=True) for _ in range(count)]

    def __enter__(self):
        for p in self.processes:
            p.start()
        time.sleep(0.3 if self.processes else 0)

    def __exit__(self, *_):
        for p in self.processes:
            p.terminate()
            p.join()


def commands(work):
    text = work / "text.txt"
    words = [p.read_text(errors="replace") for p in sorted(ROOT.glob("docs/*.md")) + [ROOT / "README.md"]]
    text.write_text("\n".join(words)[:40000])
    short = work / "short.txt"
    short.write_text(text.read_text()[:6000])
    model = ROOT / "models" / "english"
    train = ["train", "-m", str(model), "--data", str(text), "--steps", "20", "--batch", "2", "--length", "128",
             "--checkpoint-seconds", "0"]  # fmt: skip
    return {
        "run": ["run", "-p", "Once upon a time", "-n", "200", "--ignore-end"],
        "score": ["score", "-f", str(text)],
        "explain": ["explain", "-f", str(short), "--top", "0"],
        "train": train,
    }


def seconds(exe, arguments, extra, work, alone):
    out = work / "run"
    shutil.rmtree(out, ignore_errors=True)
    line = [str(exe), *arguments, *extra] + (["--out", str(out)] if arguments[0] == "train" else [])
    if alone:  # first on every core, and /proc/loadavg tells of nobody else
        quiet = work / "loadavg"
        quiet.write_text("0.00 0.00 0.00 1/99 9999\n")
        script = 'mount --bind "$0" /proc/loadavg && exec chrt -f 10 "$@"'
        line = ["unshare", "--mount", "sh", "-c", script, str(quiet), *line]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    env["HINDSCAN_MODELS"] = str(ROOT / "models")
    start = time.perf_counter()
    subprocess.run(line, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return time.perf_counter() - start


def spread(ratios):
    return f"{statistics.median(ratios):5.2f} ({min(ratios):.2f}..{max(ratios):.2f})"


def measure(o, name, arguments, hogs, work):
    alone = o.alone and hogs == 0
    once = lambda exe, extra: seconds(exe, arguments, extra, work, alone)  # noqa: E731
    one, default, other = [], [], []
    with Hogs(hogs):
        once(o.exe, [])  # the files are read
        for _ in range(o.pairs):
            one.append(once(o.exe, ["-t", "1"]))
            default.append(once(o.exe, []))
            if o.baseline and hogs == 0:
                other.append(once(o.baseline, []))
    ratio = spread([d / t for d, t in zip(default, one)])
    row = f"{name:8} {hogs:5}  {statistics.median(one):8.2f} s {statistics.median(default):8.2f} s   {ratio}"
    if other:
        row += "   against the baseline " + spread([d / b for d, b in zip(default, other)])
    print(row, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exe", type=Path)
    parser.add_argument("--baseline", type=Path)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", help="one of run, score, explain, train")
    parser.add_argument("--hogs", type=lambda s: [int(n) for n in s.split(",")], help="spinning processes, e.g. 0,2")
    o = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    load = Path("/proc/loadavg").read_text().split()
    print(f"{cores} cores, load {load[0]}, {load[3].split('/')[0]} runnable before we begin; {o.pairs} pairs a row")
    print(f"{'command':8} {'hogs':>5}  {'-t 1':>10} {'default':>10}   ratio")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name, arguments in commands(work).items():
            if o.only and name != o.only:
                continue
            for hogs in o.hogs or sorted({0, 1, cores, 2 * cores}):
                measure(o, name, arguments, hogs, work)


if __name__ == "__main__":
    main()
