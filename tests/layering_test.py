"""Guards the rooms of the project: who may include whom, that only arch/ knows an architecture's name, and that helpers of
tests stay among tests."""

import re
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What a layer is linked to (the hs_layer lines of CMakeLists.txt); what it may include follows from it.
EDGES = {
    "base": [],
    "kernels": ["base"],
    "core": ["kernels"],
    "nn": ["core"],
    "arch": ["nn"],
    "io": ["core"],
    "model": ["arch", "io", "core"],
    "train": ["model"],
    "explain": ["model"],
    "eval": ["explain"],
    "viewer": ["explain"],
    "api": ["train", "eval"],
    "cli": ["train", "eval", "viewer"],
}
# Above arch/ an architecture is a row of a table: its interface is seen by model/, its files by nobody.
ARCH_INTERFACE = {"arch/architecture.h", "arch/registry.h"}
NAMELESS = {"train", "explain", "eval", "viewer", "api", "cli"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')
STRING = re.compile(r'R"(\w*)\((?s:(.*?))\)\1"|"((?:[^"\\\n]|\\.)*)"')
TEST_FILE = re.compile(r"(^|_)test(_support|_cases)?$|_cases$")
WORDS = re.compile(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*')  # literals that follow each other are one
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
COMMAND = re.compile(r"hindscan \w+[^;:']*")
COMMENT = re.compile(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?\*/', re.S)
ARCH_KEY = re.compile(r'^\s*HS_ARCH\("([^"]+)"', re.M)
CMAKE_EDGE = re.compile(r"^hs_layer\(([^)]*)\)", re.M)


def reachable(layer):
    """The layers that `layer` may include, itself among them."""
    seen, todo = set(), [layer]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += EDGES[name]
    if layer not in {"arch", "nn"}:
        seen -= {"nn"} if "arch" in seen else set()
    return seen


def check_include(layer, target, where):
    room = target.split("/")[0]
    if "/" not in target:
        return [f'{where}: "{target}": write includes as "layer/file.h"']
    if room == "hindscan":
        return []
    if room not in EDGES:
        return [f'{where}: "{target}": no such layer']
    if room == "arch" and layer != "arch":
        if layer != "model" or target not in ARCH_INTERFACE:
            return [f'{where}: {layer}/ may not include "{target}"; only model/ sees the registry of arch/']
        return []
    return [] if room in reachable(layer) else [f'{where}: {layer}/ may not include "{target}"']


def check_names(layer, text, keys, where):
    """A literal that is a key, or holds one in quotes, as JSON would."""
    found = []
    for match in STRING.finditer(COMMENT.sub(lambda m: m.group(1) or " ", text)):
        literal = match.group(2) if match.group(2) is not None else match.group(3).replace('\\"', '"')
        for key in keys:
            if literal == key or f'"{key}"' in literal:
                found.append(f'{where}: {layer}/ holds the architecture name "{key}"')
    return found


def is_test(path):
    """Whether a file of src/ is for tests alone, by its place or its name (path: below src/)."""
    return path.startswith("base/testing/") or TEST_FILE.search(path.rsplit("/", 1)[-1].split(".")[0]) is not None


def check_helpers(includes):
    """Headers of tests stay among tests, and what only tests include is named so. includes: by file below src/."""
    found, users = [], {}
    for name, targets in includes.items():
        for target in targets:
            users.setdefault(target, set()).add(name)
            if is_test(target) and not is_test(name):
                found.append(f'src/{name}: may not include "{target}", which is for tests')
    for target, names in sorted(users.items()):
        if target.endswith(".h") and target in includes and not is_test(target) and all(map(is_test, names)):
            found.append(f"src/{target}: only tests include it; name it ..._test_support.h, or drop it")
    return found


def check_flags(text, where):
    """A flag in the words of a room that people call from C++; a whole command of the program is no flag."""
    found = []
    for match in WORDS.finditer(COMMENT.sub(lambda m: m.group(1) or " ", text)):
        words = "".join(part.group(3) or "" for part in STRING.finditer(match.group(0)))
        for flag in FLAG.findall(COMMAND.sub("", words)):
            found.append(f"{where}: names the flag {flag}; say what it means, cli/ alone has flags")
    return found


def violations(root):
    src = root / "src"
    keys = ARCH_KEY.findall((src / "arch/archs.def").read_text()) if (src / "arch/archs.def").exists() else []
    found, includes = [], {}
    for path in sorted(src.rglob("*")):
        if path.suffix not in {".h", ".cpp", ".cu", ".cuh", ".def"}:
            continue
        layer, where = path.relative_to(src).parts[0], str(path.relative_to(root))
        if layer not in EDGES:
            found.append(f"{where}: {layer}/ is not a layer")
            continue
        text = path.read_text(encoding="utf-8")
        here = includes.setdefault(str(path.relative_to(src)), set())
        for number, line in enumerate(text.splitlines(), 1):
            match = INCLUDE.match(line)
            if match and match.group(1) == '"':
                found += check_include(layer, match.group(2), f"{where}:{number}")
                here.add(match.group(2))
        if layer != "cli" and not is_test(str(path.relative_to(src))):
            found += check_flags(text, where)
        if layer in NAMELESS and not path.stem.endswith(("_test", "test_support")):
            found += check_names(layer, text, keys, where)
    found += check_helpers(includes)
    for path in sorted((root / "include").rglob("*.h")) if (root / "include").exists() else []:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            if match and match.group(1) == '"' and not match.group(2).startswith("hindscan/"):
                found.append(f'{path.relative_to(root)}:{number}: a public header includes "{match.group(2)}"')
    return found


class Project(unittest.TestCase):
    def test_no_violation(self):
        self.assertEqual(violations(ROOT), [])

    def test_cmake_has_the_same_edges(self):
        lines = [m.split() for m in CMAKE_EDGE.findall((ROOT / "CMakeLists.txt").read_text())]
        self.assertEqual({name: edges for name, *edges in lines}, EDGES)

    def test_architecture_table_is_found(self):
        self.assertIn("mamba", ARCH_KEY.findall((ROOT / "src/arch/archs.def").read_text()))


class Guard(unittest.TestCase):
    """The guard itself: each kind of violation is caught, and what is allowed is not."""

    def violations_of(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            files = {"src/arch/archs.def": 'HS_ARCH("mamba", make_mamba, never)\n', **files}
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return violations(root)

    def assert_caught(self, name, text):
        self.assertEqual(len(self.violations_of({name: text})), 1, text)

    def assert_allowed(self, name, text):
        self.assertEqual(self.violations_of({name: text}), [])

    def test_upward_and_sideways_includes_are_caught(self):
        self.assert_caught("src/base/a.h", '#include "kernels/b.h"')
        self.assert_caught("src/kernels/glr/a.cpp", '  #  include "core/b.h"')
        self.assert_caught("src/core/a.cpp", '#include "io/b.h"')
        self.assert_caught("src/io/a.cpp", '#include "nn/b.h"')
        self.assert_caught("src/arch/a.cpp", '#include "io/b.h"')
        self.assert_caught("src/train/a.cpp", '#include "explain/b.h"')
        self.assert_caught("src/explain/a.cpp", '#include "eval/b.h"')
        self.assert_caught("src/explain/a_test.cpp", '#include "cli/b.h"')
        self.assert_caught("src/model/a.cpp", '#include "nn/b.h"')

    def test_includes_of_architectures_are_caught(self):
        self.assert_caught("src/model/a.cpp", '#include "arch/mamba.h"')
        self.assert_caught("src/explain/a.cpp", '#include "arch/architecture.h"')
        self.assert_caught("src/cli/a.cpp", '#include "arch/registry.h"')

    def test_malformed_includes_are_caught(self):
        self.assert_caught("src/core/a.cpp", '#include "b.h"')
        self.assert_caught("src/core/a.cpp", '#include "elsewhere/b.h"')
        self.assert_caught("src/elsewhere/a.cpp", "")
        self.assert_caught("include/hindscan/hindscan.h", '#include "model/model.h"')

    def test_architecture_names_are_caught(self):
        self.assert_caught("src/explain/a.cpp", 'if (name == "mamba") {}')
        self.assert_caught("src/cli/a.cpp", 'auto c = "{\\"model_type\\": \\"mamba\\"}";')
        self.assert_caught("src/eval/a.cpp", 'auto c = R"({"model_type": "mamba"})";')

    def test_flags_in_words_of_the_library_are_caught(self):
        self.assert_caught("src/train/a.cpp", 'fail("expected labels; add --labels FILE");')
        self.assert_caught("src/io/a.cpp", 'fail("expected arrays "\n     "as --features");')
        self.assert_caught("src/model/a.cpp", "fail(\"damaged: 'hindscan info -v'; or give --tokenizer\");")
        self.assert_allowed("src/cli/a.cpp", 'fail("add --labels FILE");')
        self.assert_allowed("src/train/a.cpp", '// as --labels\nfail("continue it: hindscan "\n "train --resume {}", a);')
        self.assert_allowed("src/train/a_test.cpp", 'run("--labels");')

    def test_helpers_of_tests_are_kept_among_tests(self):
        for helper in ("core/a_test_support.h", "kernels/glr/head_cases.h", "core/ops_test_cases.h", "base/testing/a.h"):
            use = f'#include "{helper}"\n'
            self.assertEqual(self.violations_of({f"src/{helper}": "", "src/core/a_test.cpp": use}), [])
            self.assertEqual(len(self.violations_of({f"src/{helper}": "", "src/core/a.cpp": use})), 1, helper)
        use = '#include "core/a.h"\n'
        self.assertEqual(len(self.violations_of({"src/core/a.h": "", "src/core/a_test.cpp": use})), 1)
        self.assertEqual(self.violations_of({"src/core/a.h": "", "src/core/a_test.cpp": use, "src/core/a.cpp": use}), [])
        self.assertEqual(self.violations_of({"src/core/testing.h": "", "src/core/b.cpp": '#include "core/testing.h"\n'}), [])

    def test_what_is_allowed_passes(self):
        self.assert_allowed("src/cli/a.cpp", '#include "train/b.h"\n#include "base/c.h"\n#include <vector>\n')
        self.assert_allowed("src/model/a.cpp", '#include "arch/architecture.h"\n#include "io/b.h"')
        self.assert_allowed("src/explain/a.cpp", '// as in "mamba"\nauto m = "mamba-attribution"; /* "mamba" */')
        self.assert_allowed("src/explain/a_test.cpp", 'auto c = R"({"model_type": "mamba"})";')
        self.assert_allowed("src/explain/a_test_support.h", 'auto c = R"({"model_type": "mamba"})";')
        self.assert_allowed("src/arch/mamba.cpp", 'auto name = "mamba";')


if __name__ == "__main__":
    unittest.main()
