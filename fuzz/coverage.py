"""Prints the line coverage of each file in an `llvm-cov export -summary-only` report; exit status 1 below 90 % in total."""

import json
import sys
from pathlib import Path

GOAL = 90.0


def main():
    report = json.loads(Path(sys.argv[1]).read_text())["data"][0]
    rows = [(Path(f["filename"]).name, f["summary"]["lines"]) for f in report["files"]]
    for name, lines in [*rows, ("all lines of the parser", report["totals"]["lines"])]:
        print(f"  {name:28} {lines['covered']:5} of {lines['count']:5}  {lines['percent']:6.2f} %")
    return 0 if report["totals"]["lines"]["percent"] >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
