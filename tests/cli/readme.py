"""Runs the last './run.sh ...' line before each plain code block of README and looks for every line of the block in what it prints.

Numbers may differ by one in their last digit (instruction sets round differently); residuals, written with an exponent, need only be as small.
'...' stands for lines left out; a 'time' line is not compared.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?")
BARS = re.compile("[\u2581-\u2588]")  # a bar may round to its neighbour
ROOT = Path(__file__).resolve().parents[2]
SMALL = 1e-5  # a residual of float32


def examples(text):
    """(command, lines) of every plain ``` block that follows an indented './run.sh' line."""
    command, block = None, None
    for line in text.splitlines():
        if block is None and line.startswith("    ./run.sh"):
            command = line.strip()
        elif line.strip() == "```" and block is None:
            block = []
        elif line.startswith("```"):
            if block is not None and command:
                yield command, block
            block = None if block is not None or line.strip() != "```" else []
        elif block is not None:
            block.append(line)


def same_number(shown, printed):
    if "e" in shown:
        return "e" in printed and abs(float(shown)) < SMALL and abs(float(printed)) < SMALL
    digits = len(shown.partition(".")[2])
    return digits == len(printed.partition(".")[2]) and abs(float(shown) - float(printed)) < 1.5 * 10**-digits


def same_line(shown, printed):
    words = [BARS.sub("|", NUMBER.sub("#", line)).split() for line in (shown, printed)]
    if words[0] != words[1]:
        return False
    return all(same_number(a, b) for a, b in zip(NUMBER.findall(shown), NUMBER.findall(printed)))


def main(readme, program):
    wrong = count = 0
    for command, block in examples(open(readme, encoding="utf-8").read()):
        run = subprocess.run([program] + shlex.split(command)[1:], capture_output=True, text=True, timeout=120)
        printed = run.stdout.replace(f"{ROOT}/", "").splitlines()
        for line in block:
            if line.strip() in ("", "...") or line.startswith("time"):
                continue
            count += 1
            if not any(same_line(line, other) for other in printed):
                wrong += 1
                print(f"README shows, '{command}' does not print:\n  {line}")
    if count == 0:
        print("expected an example with its output in README, found none")
    return 1 if wrong or count == 0 else 0


sys.exit(main(*sys.argv[1:]))
