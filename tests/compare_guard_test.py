"""Guards the one comparison of the tests (src/base/testing/compare.h): no test file brings a comparator of its own again."""

import re
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The comparison, its table and its own test.
HOME = "src/base/testing"

# What comparators that were blind to NaN, sizes or the norm looked like.
PATTERNS = [
    (r"\b(?:EXPECT|ASSERT)_(?:NEAR|FLOAT_EQ|DOUBLE_EQ)\b", "agree(got, want, tol::...)"),
    (r"\b(?:Float|Double)(?:Near|Eq)\b", "agree(got, want, tol::...)"),
    (r"\b(\w+) = std::max(?:<\w+>)?\(\1, [^;]*\b(?:std::)?f?abs\(", "agree(), or largest()"),
    (r"\b(\w+) = [\w ]+ [<>]=? \1 \? ", "agree(), or largest()"),
    (r"\b(?:EXPECT|ASSERT)_(?:LE|LT)\((?:std::)?f?abs\([^;]*-[^;]*\)", "agree(got, want, tol::...)"),
    (r"\bfor\b[^;]*;[^;]*;[^)]*\)\s*\{?\s*\w+ [+-]?= \(?(\w+)\[i\] - (\w+)\[i\]\)? \* ", "agree(): it measures the norm"),
    (r"\bdouble (?:rms|max|largest|worst|float)_?(?:error|ratio|difference|diff|distance|ulp|abs)\w*\(", "agree()"),
    (r"\bTolerance\s*\{|\bTolerance \w+\s*\{", "a name in tolerances.h"),
]

def is_test(path):
    name = path.name
    return name.endswith("_test.cpp") or "test_support" in name or "test_cases" in name or path.parent.name == "tests"


def violations(root):
    found = []
    for path in sorted([*(root / "src").rglob("*"), *(root / "tests").glob("*")]):
        where = str(path.relative_to(root))
        if path.suffix not in {".h", ".cpp"} or not is_test(path) or where.startswith(HOME):
            continue
        text = re.sub(r"//[^\n]*", "", path.read_text(encoding="utf-8"))
        for pattern, instead in PATTERNS:
            for match in re.finditer(pattern, text):
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{where}:{line}: a comparator of its own ({match.group(0)[:60]!r}); use {instead}")
    return found


class Project(unittest.TestCase):
    def test_every_test_compares_with_agree(self):
        self.assertEqual(violations(ROOT), [])

    def test_the_tests_are_found(self):
        files = [p for p in (ROOT / "src").rglob("*.cpp") if is_test(p)]
        self.assertGreater(len(files), 70)
        self.assertTrue(any("agree(" in p.read_text() for p in files))

    def test_every_tolerance_has_its_reason(self):
        """A line of the table is a bar; the lines above it, or its section, say why."""
        text = (ROOT / HOME / "tolerances.h").read_text()
        table = text[text.index("namespace tol {") :]
        blocks = [b.strip() for b in table.split("\n\n") if "inline constexpr Tolerance" in b]
        for block in blocks:
            self.assertTrue(block.startswith("//") or block.startswith("namespace tol"), block[:80])


class Guard(unittest.TestCase):
    def violations_of(self, text, name="src/core/a_test.cpp"):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / name).parent.mkdir(parents=True)
            (root / name).write_text(text)
            return violations(root)

    def test_known_comparators_are_caught(self):
        for text in [
            "EXPECT_NEAR(a, b, 1e-6);",
            "ASSERT_DOUBLE_EQ(a, b);",
            "EXPECT_FLOAT_EQ(a[0], 1.0f);",
            "EXPECT_THAT(x, DoubleNear(1, 1e-3));",
            "worst = std::max(worst, std::abs(a[i] - b[i]));",
            "scale = std::max(scale, std::fabs(static_cast<double>(b[i])));",
            "worst = diff <= worst ? worst : diff;",
            "EXPECT_LE(std::abs(a - b), 1e-6);",
            "ASSERT_LT(std::abs(x[i] - y[i]), bar);",
            "double max_error(const V& a, const V& b) {",
            "inline double rms_ratio(std::span<const A> a, std::span<const B> b) {",
            "for (size_t i = 0; i < n; ++i) error += (a[i] - b[i]) * (a[i] - b[i]);",
            "constexpr Tolerance kMine{1e-3, 1e-3};",
            "EXPECT_TRUE(agree(a, b, Tolerance{1, 1}));",
        ]:
            self.assertEqual(len(self.violations_of(text)), 1, text)
            self.assertEqual(len(self.violations_of(text, "tests/a_test.cpp")), 1, text)

    def test_the_rest_passes(self):
        for text in [
            "EXPECT_TRUE(agree(y, want, tol::kF32Forward)) << what;",
            "EXPECT_LT(largest(x), 1e-5);",
            "// EXPECT_NEAR once stood here",
            "constexpr Tolerance kBar = tol::kF32Forward.times(2);",
            "const double z = -std::abs(draw());",
        ]:
            self.assertEqual(self.violations_of(text), [], text)
        self.assertEqual(self.violations_of("worst = std::max(worst, std::abs(x));", "src/core/a.cpp"), [])


if __name__ == "__main__":
    unittest.main()
