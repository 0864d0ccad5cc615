"""tools/new.py: what it makes is in its table under the new name and compiles; nothing is overwritten."""

import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MADE = {
    "family": ("my-net", "src/arch/my_net.cpp", "src/arch/archs.def", '"my_net", make_my_net, never, my_net_preset'),
    "method": ("MyMethod", "src/explain/my_method.cpp", "src/explain/methods.def", 'my_method, "my-method",'),
    "structure": ("my_state", "src/explain/structures/my_state.cpp", "src/explain/structures.def", "my_state"),
}


class NewTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="hindscan new ")
        self.root = Path(self.folder.name)
        shutil.copytree(ROOT / "src", self.root / "src")

    def tearDown(self):
        self.folder.cleanup()

    def run_new(self, *arguments):
        command = [sys.executable, "-B", ROOT / "tools" / "new.py", *arguments, "--root", self.root]
        return subprocess.run(command, capture_output=True, text=True)

    def test_what_is_made_is_in_its_table_and_compiles(self):
        for kind, (name, made, table, line) in MADE.items():
            before = (ROOT / table).read_text()
            done = self.run_new(kind, name)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(made, done.stdout)
            added = (self.root / table).read_text()
            self.assertIn(line, added)
            self.assertEqual(len(re.findall(r"^HS_", added, re.M)), len(re.findall(r"^HS_", before, re.M)) + 1)
            compiler = ["c++", "-std=c++20", "-fsyntax-only", "-DFMT_SHARED", "-Wall", "-Wextra", "-Werror"]
            checked = subprocess.run([*compiler, f"-I{self.root / 'src'}", f"-I{ROOT / 'include'}", self.root / made], capture_output=True, text=True)
            self.assertEqual(checked.returncode, 0, checked.stderr[:2000])

    def test_nothing_is_overwritten(self):
        tables = [self.root / table for _, _, table, _ in MADE.values()]
        before = [table.read_text() for table in tables]
        # gru and qwen3 are families of other files.
        for arguments in (("method", "frozen"), ("method", "9 lives"), ("method", "usual"), ("family", "gru"), ("family", "Qwen3"), ("family", "x", "--like", "nobody")):
            done = self.run_new(*arguments)
            self.assertEqual(done.returncode, 1)
            self.assertIn("new.py: ", done.stderr)
        self.assertEqual([table.read_text() for table in tables], before)
        self.assertEqual((self.root / "src/explain/frozen.cpp").read_text(), (ROOT / "src/explain/frozen.cpp").read_text())


if __name__ == "__main__":
    unittest.main()
