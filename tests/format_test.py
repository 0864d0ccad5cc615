"""Every tracked C++ source is as clang-format 14 (Debian 12's) leaves it; other versions lay out differently."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = "version 14."


def formatter():
    for name in ("clang-format-14", "clang-format"):
        path = shutil.which(name)
        if path and VERSION in subprocess.run([path, "--version"], capture_output=True, text=True).stdout:
            return path
    return None


def sources():
    listed = subprocess.run(["git", "ls-files", "*.cpp", "*.h"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return listed.stdout.split("\n")[:-1]
    return [str(p.relative_to(ROOT)) for d in ("src", "include", "tests", "bench", "fuzz") for p in (ROOT / d).rglob("*.[ch]*")
            if p.suffix in (".cpp", ".h")]


def main():
    tool = formatter()
    if tool is None:
        print("skipped: clang-format 14 is not installed (apt-get install clang-format-14)")
        return 1 if os.environ.get("CI") else 77
    files = [f for f in sources() if (ROOT / f).is_file()]
    assert len(files) > 400, f"expected the project's sources, found {len(files)}"

    def differs(name):
        run = subprocess.run([tool, "--dry-run", "-Werror", name], cwd=ROOT, capture_output=True)
        return name if run.returncode else None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong = [name for name in pool.map(differs, files) if name]
    if wrong:
        print(f"{len(wrong)} of {len(files)} sources are not formatted; run: clang-format-14 -i", *wrong)
    return 1 if wrong else 0


sys.exit(main())
