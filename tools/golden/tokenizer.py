"""Token ids of hostile and normal strings under models/english/tokenizer.json, by the `tokenizers` package.

Writes tests/golden/tokenizer_english.json: the versions and a list of {text, ids, decoded}.
"""

import hashlib
import json

import tokenizers
from tokenizers import Tokenizer

from common import GOLDEN_DIR

VOCABULARY = GOLDEN_DIR.parents[1] / "models" / "english" / "tokenizer.json"
TEXTS = [
    "",
    " ",
    "  ",
    "\n",
    "\n\n\n",
    "\t",
    "\t\t\tx",
    " \t \n \r\n x",
    "a",
    "A",
    "Once upon a time there was a little girl who lived in a",
    "The quick brown fox jumps over the lazy dog.",
    " leading space",
    "trailing space ",
    "trailing spaces    ",
    "two  spaces   three    four" + " " * 40 + "forty",
    "     indented\n        more\n\ttab",
    "line one\nline two\r\nline three\rline four",
    "paragraph one.\n\nparagraph two.\n\n\nparagraph three.   \n  \n end",
    "I'm you're he's they've we'll she'd don't can't",
    "I'M YOU'RE HE'S THEY'VE WE'LL SHE'D DON'T",
    "rock 'n' roll 'tis 'twas ''s '' 'x's'",
    "it\u2019s \u201cquoted\u201d \u2014 and \u2026",
    "0 1 12 123 1234 12345 3.14159 1,000,000 1e-5 0x1F",
    "abc123def 456ghi 7j8k9",
    "!@#$%^&*()_+-=[]{}|;':\",./<>?`~",
    "...!!!???---___***",
    "foo_bar->baz::qux(x, y); // comment",
    "https://example.org/a/b?c=d&e=%20#f",
    "<|endoftext|>",
    "<|endoftext|><|endoftext|>",
    "before<|endoftext|>after",
    "before <|endoftext|> after",
    "end.\n<|endoftext|>\nCHAPTER I",
    "<|endoftext|",
    "|endoftext|>",
    "<|ENDOFTEXT|>",
    "<|endoftext<|endoftext|>|>",
    "< |endoftext|>",
    "caf\u00e9 na\u00efve \u00fcber \u00c6sop",
    "cafe\u0301 (combining)",
    "\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac",
    "\u0420\u0443\u0441\u0441\u043a\u0438\u0439 \u0442\u0435\u043a\u0441\u0442",
    "\u4e2d\u6587\u5b57\u7b26\u65e5\u672c\u8a9e\ud55c\uad6d\uc5b4",
    "\u05e2\u05d1\u05e8\u05d9\u05ea \u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u0939\u093f\u0928\u094d\u0926\u0940",
    "\U0001f600\U0001f680\u2764\ufe0f",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 family",
    "\U0001f1eb\U0001f1f7 \U0001f44d\U0001f3fd",
    "\u00a0no\u00a0break\u00a0\u00a0space\u2003em\u3000wide",
    "zero\u200bwidth\ufeffmark\u00adhyphen",
    "\u180emongolian \u180e separator \u0085next\u2028line\u2029para",
    "\u00b2\u00b3\u00bd \u2160\u2163 \u0661\u0662\u0663 \u4e09",
    "\x00nul\x00\x01\x02\x1b[31mred\x1b[0m\x7f",
    "\ufffd replacement \uffff noncharacter \U0010ffff last",
    "\ue000private \U000e0041tag \ufb01 ligature \u01c5 title",
    "a" * 300,
    "the" * 60,
    " the" * 40,
    "\n" * 33 + " " * 33 + "\t" * 33,
    "ABCdefGHI camelCaseWord SCREAMING_CASE",
    "Mr. Darcy, M.D., i.e. e.g. 10 a.m.",
    "x\u0300\u0301\u0302\u0303\u0304 zalgo",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "\u0e44\u0e17\u0e22 \u12a0\u121b\u122d\u129b \u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8",
]


def main() -> None:
    tokenizer = Tokenizer.from_file(str(VOCABULARY))
    cases = []
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        if tokenizer.decode(ids, skip_special_tokens=False) != text:
            raise SystemExit(f"{text!r} does not survive the round trip")
        cases.append({"text": text, "ids": ids})
    head = {
        "tokenizers": tokenizers.__version__,
        "vocabulary_sha256": hashlib.sha256(VOCABULARY.read_bytes()).hexdigest(),
    }
    rows = ",\n".join("    " + json.dumps(case) for case in cases)
    path = GOLDEN_DIR / "tokenizer_english.json"
    path.write_text(json.dumps(head, indent=2)[:-2] + ',\n  "cases": [\n' + rows + "\n  ]\n}\n")
    print(f"{path.name}: {len(cases)} texts")


if __name__ == "__main__":
    main()
