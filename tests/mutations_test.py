"""Every fault that tools/mutate.py puts into the kernels still has its place in the sources and its test."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
import mutate


class Mutations(unittest.TestCase):
    def test_every_entry_fits_and_every_kernel_file_has_enough(self):
        self.assertEqual(mutate.problems(), [])

    def test_numbers_differ(self):
        mutations = mutate.load()[0]
        self.assertEqual(len({m.number for m in mutations} - {0}), len(mutations))

    def test_a_stale_or_ambiguous_entry_is_refused(self):
        entry = mutate.Mutation("f.h:1", "f.h", "NaN", "y = «a + b»;", "a", "Suite.Name")
        self.assertEqual(entry.span("x; y =\n    a + b; z"), (11, 16))
        for text in ("y = a - b;", "y = a + b; y = a + b;"):
            with self.assertRaisesRegex(ValueError, "f.h:1: expected .* once"):
                entry.span(text)


if __name__ == "__main__":
    unittest.main()
