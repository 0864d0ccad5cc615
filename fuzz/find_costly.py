"""Searches for small model folders that make `hindscan info` take much memory or time.

find_costly.py PROGRAM [--minutes 30] [--seed 1] [--megabytes 4] [--memory 600] [--seconds 5] [--keep FOLDER] [--only NAME]

Each round takes a generator of costly_inputs.py with random sizes, or changes the sizes of one of the costliest inputs
so far, writes the folder, runs the program on it and measures peak memory (MB) and processor time (s). Prints the worst
input of every generator; exit status 1 when one of less than --megabytes went beyond --memory or --seconds.
"""

import argparse
import math
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import costly_inputs

PROCESSOR_LIMIT = 60  # seconds until a run is ended


def run(program, folder, arguments):
    """Exit code (negative: a signal), peak megabytes and processor seconds. In a process of its own: a child begins with the
    memory of its parent, and this one has held inputs."""
    command = [sys.executable, "-S", __file__, "--measure", str(PROCESSOR_LIMIT), program, "info", *arguments, "-m", str(folder)]
    code, kilobytes, seconds = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.split()
    return int(code), int(kilobytes) / 1000, float(seconds)


def measure(limit, *command):
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit)))
    with open(os.devnull, "w") as nowhere:
        process = subprocess.Popen(command, stdout=nowhere, stderr=nowhere)
        _, status, usage = os.wait4(process.pid, 0)
    print(os.waitstatus_to_exitcode(status), usage.ru_maxrss, usage.ru_utime + usage.ru_stime)


class Search:
    def __init__(self, options):
        self.options = options
        self.rng = random.Random(options.seed)
        self.best = {}  # generator -> [(cost, sizes)], costliest first
        self.worst = {}  # generator -> (megabytes, seconds, sizes)
        self.runs = {}
        self.findings = []

    def sizes(self, generator):
        """Sizes whose products a small file can hold."""
        sizes, most = self.candidate(generator), int(self.options.megabytes * 1e6)
        for keys in costly_inputs.PRODUCTS.get(generator, []):
            cut = self.rng.choice(keys)
            others = math.prod(max(sizes[k], 1) for k in keys if k != cut)
            sizes[cut] = max(min(sizes[cut], most // others), 1)
            for k in keys:
                if math.prod(max(sizes[j], 1) for j in keys) > most:
                    sizes[k] = max(sizes[k] // 1000, 1)
        return sizes

    def candidate(self, generator):
        """Random sizes, or those of a costly input with one of them changed."""
        known = self.best.get(generator.__name__, [])
        ranges = costly_inputs.GENERATORS[generator]
        if not known or self.rng.random() < 0.4:
            return {k: self.draw(low, high) for k, (low, high) in ranges.items()}
        sizes = dict(self.rng.choice(known[:5])[1])
        key = self.rng.choice(list(sizes))
        low, high = ranges[key]
        sizes[key] = self.draw(low, high) if self.rng.random() < 0.3 else min(high, max(low, int(sizes[key] * self.rng.uniform(0.5, 2.5)) + 1))
        return sizes

    def draw(self, low, high):
        """Evenly over the orders of magnitude."""
        return min(high, max(low, int((low + 1) * ((high + 1) / (low + 1)) ** self.rng.random()) - 1))

    def round(self, generator):
        sizes = self.sizes(generator)
        with tempfile.TemporaryDirectory(prefix="hindscan-costly-") as name:
            folder = Path(name) / "model"
            folder.mkdir()
            target = generator(folder, random.Random(self.options.seed), **sizes) or folder
            total = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
            if total > self.options.megabytes * 1e6:
                return
            arguments = self.rng.choice([[], [], ["--json"], ["--tensors"]])
            code, megabytes, seconds = run(self.options.program, target, arguments)
            self.note(generator, sizes, total, code, megabytes, seconds, folder)

    def note(self, generator, sizes, total, code, megabytes, seconds, folder):
        name = generator.__name__
        self.runs[name] = self.runs.get(name, 0) + 1
        cost = megabytes / self.options.memory + seconds / self.options.seconds
        self.best[name] = sorted([*self.best.get(name, []), (cost, sizes)], key=lambda b: -b[0])[:10]
        old = self.worst.get(name, (0, 0, None, 0, 0))
        self.worst[name] = (max(old[0], megabytes), max(old[1], seconds), *((sizes, total, code) if cost >= self.best[name][0][0] else old[2:]))
        bad_end = code < 0 or code == 70
        if megabytes <= self.options.memory and seconds <= self.options.seconds and not bad_end:
            return
        self.findings.append((name, sizes, total, code, megabytes, seconds))
        print(f"FOUND {name} {sizes}: {total} bytes, {megabytes:.0f} MB, {seconds:.2f} s, exit {code}", flush=True)
        if self.options.keep:
            shutil.copytree(folder, Path(self.options.keep) / f"{name}-{len(self.findings)}", dirs_exist_ok=True)

    def search(self):
        generators = [g for g in costly_inputs.GENERATORS if self.options.only in g.__name__]
        end = time.monotonic() + 60 * self.options.minutes
        while time.monotonic() < end:
            for generator in generators:
                self.round(generator)
        for name, (megabytes, seconds, sizes, total, code) in sorted(self.worst.items(), key=lambda w: -w[1][0]):
            print(f"{name:20} {self.runs[name]:6} runs  most {megabytes:6.0f} MB {seconds:6.2f} s   costliest: {total} bytes, exit {code}, {sizes}")
        print(f"{sum(self.runs.values())} inputs of less than {self.options.megabytes} MB in {self.options.minutes} minutes: {len(self.findings)} took more than {self.options.memory} MB or {self.options.seconds} s, or crashed")
        return 1 if self.findings else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--megabytes", type=float, default=4)
    parser.add_argument("--memory", type=float, default=600)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--keep")
    parser.add_argument("--only", default="")
    return Search(parser.parse_args()).search()


if __name__ == "__main__":
    sys.exit(measure(*sys.argv[2:]) if sys.argv[1:2] == ["--measure"] else main())
