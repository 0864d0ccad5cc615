"""docs/licences.md names every committed weight, tokenizer, golden and seed, and every library that tools/setup.sh installs."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA_FOLDERS = ("models/", "tests/golden/", "fuzz/corpus/")
DATA_ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".npy", ".npz", ".gguf", ".xz", ".gz", ".zip", ".ttf", ".otf", ".pcf", ".bdf",
                ".png", ".jpg", ".woff2")
OWN_WORDS = ("README.md", "BOOKS.md")


def tracked():
    git = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True)
    if git.returncode == 0:
        return [f for f in git.stdout.split("\0") if f and (ROOT / f).exists()]
    skipped = ("build", "runs", ".git", ".venv", ".cache")
    return [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file() and p.relative_to(ROOT).parts[0] not in skipped]


def is_data(path):
    return Path(path).name not in OWN_WORDS and (path.startswith(DATA_FOLDERS) or path.endswith(DATA_ENDINGS))


def is_named(path, names):
    """By itself, or by its own folder (a folder does not speak for those inside it)."""
    return path in names or path.rpartition("/")[0] + "/" in names


def problems(files, page, notice, setup):
    names = set(re.findall(r"`([\w./-]+)`", page))
    for path in files:
        if is_data(path) and not is_named(path, names):
            yield f"{path}: not named in docs/licences.md; add it with its origin and licence"
    for name in names:
        if name.startswith(DATA_FOLDERS) and not (ROOT / name).exists():
            yield f"docs/licences.md names {name}, which is not there"
    for package in re.findall(r"\blib[\w.+-]+-dev\b", setup):
        if package not in names:
            yield f"{package}: installed by tools/setup.sh, not named in docs/licences.md"
    for line in re.findall(r"^\| ([^|]+) \| `lib[^|]*\| [^|]* \| [^|]* \|$", page, re.M):
        if line not in notice:
            yield f"{line}: a library of docs/licences.md, not named in NOTICE"


def self_test():
    page = "| fmt | `libfmt-dev` | MIT | x |\n`models/a/`"
    assert not [p for p in problems(["models/a/x.safetensors", "src/x.cpp"], page, "fmt", "libfmt-dev") if "not there" not in p]
    for files, notice, setup in ((["models/a/b/x.safetensors"], "fmt", ""), (["tests/golden/new.json"], "fmt", ""), ([], "", ""),
                                 ([], "fmt", "libfoo-dev"), (["src/font.ttf"], "fmt", "")):
        found = [p for p in problems(files, page, notice, setup) if "not there" not in p]
        assert len(found) == 1, (files, notice, setup, found)


def main():
    self_test()
    texts = [(ROOT / f).read_text(encoding="utf-8") for f in ("docs/licences.md", "NOTICE", "tools/setup.sh")]
    files = tracked()
    assert sum(map(is_data, files)) > 100, "expected the weights and goldens of the project, found few files"
    found = list(problems(files, *texts))
    print("\n".join(found) or f"{sum(map(is_data, files))} files of data and every library are named")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
