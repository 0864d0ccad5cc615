"""coverage.py REPORT SOURCE...: line coverage of each source in an `llvm-cov export -summary-only` report; exit status 1
below 90 % in total, or where the report lacks a source. Names are compared as files, however the compiler was told them.
"""

import json
import sys
from pathlib import Path

GOAL = 90.0


def main():
    wanted = {Path(name).resolve() for name in sys.argv[2:]}
    files = json.loads(Path(sys.argv[1]).read_text())["data"][0]["files"]
    found = {Path(f["filename"]).resolve(): f["summary"]["lines"] for f in files}
    covered = count = 0
    for path in sorted(wanted):
        lines = found.get(path, {"covered": 0, "count": 0, "percent": 0})
        covered, count = covered + lines["covered"], count + lines["count"]
        print(f"  {path.name:28} {lines['covered']:5} of {lines['count']:5}  {lines['percent']:6.2f} %")
    total = 100 * covered / max(count, 1)
    print(f"  {'all lines of the parser':28} {covered:5} of {count:5}  {total:6.2f} %")
    missing = [path.name for path in wanted - found.keys() if path.suffix == ".cpp"]
    if missing:
        print(f"  not in the report: {', '.join(missing)}")
    return 0 if total >= GOAL and not missing else 1


if __name__ == "__main__":
    sys.exit(main())
