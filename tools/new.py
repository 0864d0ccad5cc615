#!/usr/bin/env python3
"""Makes the files of a new family, method or structure from one that exists.

    tools/new.py method my-method [--like gradient]
    tools/new.py family my_net [--like gla]
    tools/new.py structure my_state [--like channel]

A copy of the model one under the new name, its line in the table behind that of the model one, and what is left to do.
Nothing is overwritten. What compiles at once still computes what the model one does: begin there.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Kind:
    like: str
    folder: str
    table: str
    line: str  # macro of the table
    steps: list[str]


KINDS = {
    "family": Kind("gla", "src/arch", "src/arch/archs.def", "HS_ARCH", [
        "{file}: the paper's equation in the first comment, the weights in declare_mixer, the ops in mix",
        "the published configuration's keys: read, refused, or listed by unused_keys() with the reason",
        "tools/golden/{snake}.py against an independent implementation -> tests/golden/arch/{snake}.safetensors",
        "a line in the tables of ARCHITECTURE.md and docs/families.md; all of it: docs/adding-an-architecture.md",
    ]),
    "method": Kind("gradient", "src/explain", "src/explain/methods.def", "HS_METHOD", [
        "src/explain/methods.def: what it shows in plain words, its options, whether it adds up and knows the target",
        "{file}: the formula and its source in the first comment; back() for a chunk, finish() for the arrays",
        "src/explain/{snake}_test.cpp: what it claims beyond the lines of the table; all of it: docs/adding-a-method.md",
    ]),
    "structure": Kind("channel", "src/explain/structures", "src/explain/structures.def", "HS_STRUCTURE", [
        "src/kernels/glr/{snake}.h: forward, adjoints, rows, tiles and block sums, first as a reference in double",
        "src/core/ops/glr_{snake}.cpp: the op, and the {pascal}Detail that it leaves (src/core/mixer_detail.h)",
        "{file}: the view over that detail; all of it: docs/adding-a-structure.md",
    ]),
}  # fmt: skip


def words(name):
    """my-method, my_method and MyMethod are the same words."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[-_]+", " ", name).lower().split()


def forms(name):
    w = words(name)
    return {"snake": "_".join(w), "kebab": "-".join(w), "pascal": "".join(x.capitalize() for x in w)}


def renamed(text, old, new):
    """Identifiers, strings and file names of the model one under the new name, whatever letters stand around them."""
    if "-" in old["kebab"]:
        text = re.sub(rf"(?<![a-z]){re.escape(old['kebab'])}(?![a-z])", new["kebab"], text)
    text = re.sub(rf"(?<![a-zA-Z]){re.escape(old['snake'])}(?![a-z])", new["snake"], text)
    return re.sub(rf"(?<![a-z]){re.escape(old['pascal'])}(?![a-z])", new["pascal"], text)


def table_entries(text, macro):
    """(beginning, end) of every entry; one may take several lines."""
    for found in re.finditer(rf"^{macro}\(", text, re.M):
        depth, at, quoted = 0, found.end() - 1, False
        while True:
            c = text[at]
            quoted ^= c == '"' and text[at - 1] != "\\"
            depth += 0 if quoted else (c == "(") - (c == ")")
            at += 1
            if depth == 0:
                break
        yield found.start(), text.index("\n", at) + 1


def names_in(text, macro):
    return re.findall(rf'^{macro}\("?(\w+)', text, re.M)


def structure_file(text, old, new):
    """Only the classes of the file itself: it still works on the model one's kernels and detail."""
    for suffix in ("Window", "View"):
        text = re.sub(rf"\b{old['pascal']}{suffix}\b", new["pascal"] + suffix, text)
    text = re.sub(rf"\b{old['snake']}_name\b", f"{new['snake']}_name", text)
    return re.sub(rf"HS_STRUCTURE_VIEW\({old['snake']},", f"HS_STRUCTURE_VIEW({new['snake']},", text)


def make(kind_name, name, like, root):
    kind, new, old = KINDS[kind_name], forms(name), forms(like or KINDS[kind_name].like)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", new["snake"]):
        sys.exit(f"new.py: expected a name of letters, digits, - and _, found '{name}'")
    source, made = (root / kind.folder / f"{form['snake']}.cpp" for form in (old, new))
    if not source.exists():
        sys.exit(f"new.py: expected a {kind_name} to copy, found no {source.relative_to(root)}")
    if made.exists():
        sys.exit(f"new.py: {made.relative_to(root)} exists and stays as it is; choose another name")
    table = root / kind.table
    text = table.read_text()
    if new["snake"] in names_in(text, kind.line) or new["snake"] in ("all", "usual"):
        sys.exit(f"new.py: {kind.table} knows the name {new['snake']} already; choose another")
    entries = [(span, text[slice(*span)]) for span in table_entries(text, kind.line)]
    mine = [span for span, entry in entries if old["snake"] in names_in(entry, kind.line)]
    mine += [span for span, entry in entries if re.search(rf"\b{old['snake']}\b", entry)]  # a file of several families
    if not mine:
        sys.exit(f"new.py: expected a line of {old['snake']} in {kind.table}, found none")
    begin, end = mine[0]
    def copied(part, rename):
        quoted = new["kebab" if kind_name == "method" else "snake"]  # users type the names of methods
        return rename(part, old, new).replace(f'"{new["snake"]}"', f'"{quoted}"')

    made.write_text(copied(source.read_text(), structure_file if kind_name == "structure" else renamed))
    table.write_text(text[:end] + copied(text[begin:end], renamed) + text[end:])
    print(f"made {made.relative_to(root)} and a line in {kind.table}, from {old['snake']}; left to do:")
    for step in kind.steps:
        print("  * " + step.format(file=made.relative_to(root), **new))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("name")
    parser.add_argument("--like", help="which one to copy")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    given = parser.parse_args()
    make(given.kind, given.name, given.like, given.root)


if __name__ == "__main__":
    main()
