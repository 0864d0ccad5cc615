#!/usr/bin/env python3
"""Compares what two builds of the program compute, value by value, on the commands of tests/same_results.txt.

Models and inputs are made once, with BEFORE. Left out is what differs by nature: seconds, speeds, memory, messages.
"""

import argparse
import concurrent.futures
import fnmatch
import json
import os
import random
import re
import shlex
import shutil
import string
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from output_values import counted, differ, difference, safetensors_header

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tests" / "same_results.txt"
SECONDS = 300  # of one command
WORDS = "the a cat dog moon king garden sat ran went on in to it and old golden".split()


@dataclass
class Line:
    id: str
    commands: list  # of lists of words


@dataclass
class Result:
    codes: list = field(default_factory=list)
    outputs: dict = field(default_factory=dict)  # name -> bytes
    complaint: str = ""


def parse_list(path):
    """(lines that make something, lines to compare)"""
    made, compared, ids, names = [], [], set(), {}
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not text.strip() or text.startswith("#"):
            continue
        if definition := re.fullmatch(r"\$(\w+) = (.+)", text):
            names[definition[1]] = string.Template(definition[2]).substitute(names)
            continue
        name, _, rest = string.Template(text).substitute(names).partition(": ")
        commands = [with_defaults(shlex.split(part)) for part in rest.split(" ; ")]
        if name in ids or not all(commands):
            sys.exit(f"[{path}] line {number}: expected `id: command`, every id once, found {text!r}")
        ids.add(name)
        (made if name.startswith("make ") else compared).append(Line(name.removeprefix("make "), commands))
    return made, compared


def with_defaults(words):
    dtype = [] if words[:1] == ["train"] or "--dtype" in words else ["--dtype", "f64"]
    return words and [*words, *dtype, "-t", "1"]


def parse_explained(path):
    lines = path.read_text(encoding="utf-8").splitlines() if path else []
    return dict(text.split(": ", 1) for text in lines if text.strip() and not text.startswith("#"))


def write_golden_model(source, folder):
    """The tiny model inside a file of tests/golden/arch as a model folder."""
    data = source.read_bytes()
    header, start = safetensors_header(data)
    config = json.loads(header.pop("__metadata__")["golden"])["config"]
    tensors, blob = {}, b""
    for name, tensor in header.items():
        if name.startswith("weights."):
            begin, end = tensor["data_offsets"]
            tensors[name.removeprefix("weights.")] = tensor | {"data_offsets": [len(blob), len(blob) + end - begin]}
            blob += data[start + begin : start + end]
    text = json.dumps(tensors).encode()
    text += b" " * (-len(text) % 8)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + blob)


def write_npy(path, code, descr, shape, values):
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    numbers = struct.pack(f"<{len(values)}{code}", *values)
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + numbers)


def write_inputs(work):
    """What the head of the list describes."""
    draw = random.Random(8)
    (work / "repo").symlink_to(ROOT)
    for source in sorted((ROOT / "tests/golden/arch").glob("*.safetensors")):
        write_golden_model(source, work / "golden" / source.stem)
    for name, count in (("ids.txt", 24), ("more.txt", 12), ("long.txt", 400)):
        (work / name).write_text(",".join(str(draw.randrange(1, 29)) for _ in range(count)))
    texts = [[*draw.choices(WORDS, k=draw.randint(4, 9)), ("dreadful", "wonderful")[i % 2]] for i in range(24)]
    (work / "lines.txt").write_text("".join(" ".join(t) + "\n" for t in texts[:5]))
    for name, labels in (("labels.tsv", ("bad", "good")), ("numbers.tsv", ("-1.5", "0.25"))):
        (work / name).write_text("".join(" ".join(t) + f"\t{labels[i % 2]}\n" for i, t in enumerate(texts)))
    write_npy(work / "y.npy", "q", "<i8", (12,), [i % 3 for i in range(12)])
    write_npy(work / "x.npy", "f", "<f4", (12, 6, 4), [draw.gauss(i // 24 % 3, 0.5) for i in range(12 * 6 * 4)])


def run_line(program, line, folder, work):
    """The commands of a line, run in a new folder where the work folder's files are seen."""
    folder.mkdir(parents=True)
    for entry in work.iterdir():
        (folder / entry.name).symlink_to(entry)
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    result = Result()
    for number, command in enumerate(line.commands, 1):
        try:
            done = subprocess.run([program, *command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            result.codes.append(f"none in {SECONDS} s")
            break
        result.codes.append(done.returncode)
        result.outputs[f"output {number}"] = done.stdout
        if done.returncode != 0:
            result.complaint = done.stderr.decode(errors="replace").partition("error: ")[2].strip()
            break
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
        result.outputs[str(path.relative_to(folder))] = path.read_bytes().replace(bytes(folder), b"FOLDER")
    return result


def make(lines, program, top, work):
    for line in lines:
        result = run_line(program, line, top / line.id, work)
        if any(result.codes):
            sys.exit(f"make {line.id}: expected exit code 0 of BEFORE, found {result.codes[-1]}: {result.complaint}")
        (top / line.id / line.id).rename(work / line.id)


def compare(before, after):
    """In words how two results differ; empty if they do not."""
    if before.codes != after.codes:
        return f"exit code {before.codes[-1]} -> {after.codes[-1]} {after.complaint or before.complaint}"
    found = []
    for name in {**before.outputs, **after.outputs}:
        if name in before.outputs and name in after.outputs:
            found.append(difference(name, before.outputs[name], after.outputs[name]))
        else:
            found.append(f"{name}: only {'BEFORE' if name in before.outputs else 'AFTER'} writes it")
    first, *others = filter(None, found) if any(found) else [""]
    return first + (f"; {differ(len(others), 'more output')}" if others else "")


def judge(line, programs, top, work):
    """(how the programs differ on this line, or empty; whether the line ran at all)"""
    results = []
    for side, program in zip(("before", "after"), programs):
        results.append(run_line(program, line, top / side / line.id, work))
        shutil.rmtree(top / side / line.id)
    if any(results[0].codes):
        return f"expected exit code 0 of BEFORE, found {results[0].codes[-1]}: {results[0].complaint}", False
    return compare(*results), True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, metavar="BEFORE", help="hindscan as it was; it also makes the inputs")
    parser.add_argument("after", type=Path, metavar="AFTER", help="hindscan as it is now")
    parser.add_argument("--only", metavar="TEXT", default="", help="lines that contain it")
    parser.add_argument("--jobs", type=int, default=1, help="commands at a time")
    parser.add_argument("--list", type=Path, default=LIST, metavar="FILE", help="default: tests/same_results.txt")
    parser.add_argument("--explained", type=Path, metavar="FILE", help="lines `id: reason`, * in an id: counted apart")
    options = parser.parse_args()
    programs = [options.before.resolve(), options.after.resolve()]
    for program in programs:
        if not os.access(program, os.X_OK):
            sys.exit(f"same_results: expected two programs, found none at {program}")
    made, compared = parse_list(options.list)
    chosen = [x for x in compared if options.only in f"{x.id}: " + " ; ".join(shlex.join(c) for c in x.commands)]
    reasons = parse_explained(options.explained)
    start, found, explained = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory(prefix="same results ") as folder:
        top, work = Path(folder), Path(folder) / "work"
        work.mkdir()
        write_inputs(work)
        make(made, programs[0], top / "made", work)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for line, (words, ran) in zip(chosen, pool.map(lambda x: judge(x, programs, top, work), chosen)):
                reason = next((r for ids, r in reasons.items() if ran and fnmatch.fnmatchcase(line.id, ids)), "")
                found, explained = found + bool(words), explained + bool(words and reason)
                if words:
                    print(f"{line.id}: {words}" + (f"  [explained: {reason}]" if reason else ""), flush=True)
    apart = f" ({explained} explained)" if explained else ""
    print(f"{counted(len(chosen), 'command')}, {differ(found)}{apart}, {time.monotonic() - start:.0f} s")
    return 0 if chosen and found == explained else 1


if __name__ == "__main__":
    sys.exit(main())
