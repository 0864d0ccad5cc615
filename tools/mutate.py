#!/usr/bin/env python3
"""Tests the tests: puts one fault at a time into a kernel and wants the test that is named for it to fail.

Faults are tables in tests/mutations/*.toml. All of them are woven into one copy of the sources (build/mutants), each
behind a comparison with a number read from the environment, so that one build serves every fault.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zlib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "tests" / "mutations"
TREE = ROOT / "build" / "mutants"
BINARIES = TREE / "build" / "release"
COPIED = ["CMakeLists.txt", "CMakePresets.json", "LICENSE", "cmake", "include", "src"]
KINDS = {"NaN", "wrong row", "dropped tail", "swapped sign", "dropped term", "wrong stride", "wrong choice"}
PROGRAM = "test_kernels"
LEAST = 3  # faults a file
SECONDS = 120  # of one catcher
MUTANT_H = """#pragma once
#include <cstdlib>
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
namespace hindscan {
inline const long active_mutant = std::getenv("HINDSCAN_MUTANT") ? std::atol(std::getenv("HINDSCAN_MUTANT")) : 0;
}
#define HS_MUTANT(n) (::hindscan::active_mutant == (n))
"""


@dataclass
class Mutation:
    id: str
    file: str  # under src/
    kind: str
    find: str  # as in the source, white space aside; « » around what is replaced, or else all of it
    put: str
    by: str  # gtest filter of the catcher
    program: str = PROGRAM

    @property
    def number(self):
        return zlib.crc32(f"{self.file}\n{self.find}\n{self.put}".encode()) >> 1

    def span(self, text):
        """Where in the text of the file the replaced part is; ValueError when the entry no longer fits."""
        before, mark, rest = self.find.partition("«")
        inner, closing, after = rest.partition("»") if mark else (before, "»", "")
        before = before if mark else ""
        if not inner.split() or closing != "»":
            raise ValueError(f"{self.id}: `find` needs « and » around what is replaced, or neither")
        pattern = r"\s*".join(rf"({loose(part)})" for part in (before, inner, after))
        found = list(re.finditer(pattern, text))
        if len(found) != 1:
            raise ValueError(
                f"{self.id}: expected `{self.find}` once in src/{self.file}, found it {len(found)} times; "
                "say in tests/mutations what it has become"
            )
        return found[0].span(2)

    def woven(self, old):
        if old.rstrip().endswith(";"):
            return f"{{ if (HS_MUTANT({self.number})) {{ {self.put} }} else {{ {old} }} }}"
        return f"(HS_MUTANT({self.number}) ? ({self.put}) : ({old}))"


def loose(source):
    return r"\s+".join(re.escape(word) for word in source.split())


def load():
    """All mutations, and {file: why it has none}."""
    mutations, exempt = [], {}
    for path in sorted(LISTS.glob("*.toml")):
        tables = tomllib.loads(path.read_text())
        exempt |= tables.pop("exempt", {})
        for file, entries in tables.items():
            stem = file.removeprefix("kernels/")
            mutations += [Mutation(f"{stem}:{i}", file, **entry) for i, entry in enumerate(entries, 1)]
    return mutations, exempt


def weave(file, mutations):
    """The file with all its mutations in it, asleep."""
    text = (ROOT / "src" / file).read_text()
    spans = sorted(((*m.span(text), m) for m in mutations), key=lambda s: s[0], reverse=True)
    for (start, _, later), (_, end, earlier) in zip(spans, spans[1:]):
        if end > start:
            raise ValueError(f"{later.id} and {earlier.id} overlap; choose another place for one of them")
    for start, end, m in spans:
        text = text[:start] + m.woven(text[start:end]) + text[end:]
    return '#include "base/mutant.h"\n' + text


def by_file(mutations):
    files = {}
    for m in mutations:
        files.setdefault(m.file, []).append(m)
    return files


def kernel_files():
    found = (p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src" / "kernels").rglob("*"))
    return sorted(f for f in found if f.endswith((".cpp", ".h")) and not re.search(r"_test|_cases\.h$", f))


def named_tests():
    """Suite.Name of every test of the rooms, without parameters."""
    sources = "\n".join(p.read_text() for p in (ROOT / "src").rglob("*_test.cpp"))
    return {f"{suite}.{name}" for suite, name in re.findall(r"\bTEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\)", sources)}


def problems():
    """What is wrong with the lists; quick, nothing is built."""
    mutations, exempt = load()
    files, tests, out = by_file(mutations), named_tests(), []
    for file, entries in files.items():
        try:
            weave(file, entries)
        except (OSError, ValueError) as error:
            out.append(str(error))
    for m in mutations:
        suite, _, name = m.by.partition(".")
        if f"{suite.split('/')[-1]}.{name.split('/')[0]}" not in tests:
            out.append(f"{m.id}: its catcher {m.by} is no test of src/")
        if m.kind not in KINDS:
            out.append(f"{m.id}: expected a kind of {sorted(KINDS)}, found {m.kind!r}")
    for file in kernel_files():
        if len(files.get(file, [])) < LEAST and file not in exempt:
            out.append(f"src/{file}: expected {LEAST} mutations, found {len(files.get(file, []))}")
    out += [f"exempt {file} is no file of src/, or has mutations" for file in exempt
            if file in files or not (ROOT / "src" / file).is_file()]
    return out


def write_if_new(path, data):
    if not path.is_file() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def write_tree(mutations):
    files = by_file(mutations)
    wanted = {TREE / "src/base/mutant.h": MUTANT_H.encode()}
    for top in COPIED:
        paths = [ROOT / top] if (ROOT / top).is_file() else (p for p in (ROOT / top).rglob("*") if p.is_file())
        wanted |= {TREE / p.relative_to(ROOT): p.read_bytes() for p in paths}
    # The compiler's time counts here, not the kernels'.
    layers = TREE / "cmake/layers.cmake"
    wanted[layers] = wanted[layers].replace(b"LANGUAGE:CXX>:-O3>", b"LANGUAGE:CXX>:-O1>")
    wanted |= {TREE / "src" / file: weave(file, entries).encode() for file, entries in files.items()}
    for top in COPIED:
        for old in [p for p in (TREE / top).rglob("*") if p.is_file() and p not in wanted]:
            old.unlink()
    for path, data in wanted.items():
        write_if_new(path, data)


def build(programs, jobs):
    if not shutil.which("cmake") or not shutil.which("ninja"):
        sys.exit("mutate: expected cmake and ninja; run ./test.sh once, it installs them")
    log = BINARIES.parent / "mutants.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    steps = [["cmake", "--preset", "release", "-S", TREE, "-B", BINARIES, "-DHINDSCAN_TESTS=ON"],
             ["ninja", "-C", BINARIES, "-j", str(jobs), *sorted(programs)]]
    with log.open("w") as out:
        for step in steps:
            if subprocess.run(step, cwd=TREE, stdout=out, stderr=out, check=False).returncode:
                sys.exit(f"mutate: the build failed; the whole output is in {log}")


def run(program, tests, number):
    """(passed, what happened) of some tests with one mutation awake; 0: none."""
    environment = os.environ | {"HINDSCAN_MUTANT": str(number), "GOMP_SPINCOUNT": "5000"}
    command = [BINARIES / "tests" / program, f"--gtest_filter={tests}", "--gtest_brief=1"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False, f"no end in {SECONDS} s"
    if done.returncode < 0:
        return False, f"crash (signal {-done.returncode})"
    ran = re.search(r"(\d+) tests? from \d+ test suites? ran", done.stdout)
    passed = re.search(r"\[  PASSED  \] (\d+) test", done.stdout)
    if done.returncode == 0 and (not ran or int(passed[1] if passed else 0) == 0):
        return False, "nothing ran"
    return done.returncode == 0, "passes" if done.returncode == 0 else "fails"


def verdict(m, healthy):
    """(caught, words): the catcher must pass without the fault and not with it."""
    if not healthy[m.program, m.by][0]:
        return False, f"WITHOUT THE FAULT: {healthy[m.program, m.by][1]}"
    passed, words = run(m.program, m.by, m.number)
    return (False, "SURVIVED") if passed else (True, "caught" if words == "fails" else f"caught: {words}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print the mutations and their catchers, run nothing")
    parser.add_argument("--only", metavar="TEXT", default="", help="those whose file or id contains it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="for the build and the tests")
    options = parser.parse_args()
    found = problems()
    if found:
        sys.exit("\n".join(found))
    mutations = load()[0]
    chosen = [m for m in mutations if options.only in m.id or options.only in m.file]
    width = [max(len(text(m)) for m in mutations) for text in (lambda m: m.id, lambda m: m.kind, lambda m: m.by)]
    row = lambda m, words: print(f"{m.id:{width[0]}}  {m.kind:{width[1]}}  {m.by:{width[2]}}  {words}", flush=True)
    if options.list:
        for m in chosen:
            row(m, f"{m.find}  ->  {m.put}")
        return 0
    start = time.monotonic()
    write_tree(mutations)
    build({m.program for m in chosen}, options.jobs)
    built, caught = time.monotonic(), 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        catchers = sorted({(m.program, m.by) for m in chosen})
        healthy = dict(zip(catchers, pool.map(lambda c: run(*c, 0), catchers)))
        for m, (ok, words) in zip(chosen, pool.map(lambda m: verdict(m, healthy), chosen)):
            caught += ok
            row(m, words)
    files = len(by_file(chosen))
    print(f"{len(chosen)} mutations in {files} files, {caught} caught, {len(chosen) - caught} survivors "
          f"(build {built - start:.0f} s, tests {time.monotonic() - built:.0f} s)")
    return 0 if chosen and caught == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
