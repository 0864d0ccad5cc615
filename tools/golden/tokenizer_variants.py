"""Token ids of random strings under variants of models/english/tokenizer.json, by the `tokenizers` package.

Writes tests/golden/tokenizer_variants.json: a list of {name, patch, cases}; `patch` replaces top-level sections, and of
"model" the keys it names.
"""

import json
import random

import tokenizers
from tokenizers import Tokenizer

from common import GOLDEN_DIR

VOCABULARY = GOLDEN_DIR.parents[1] / "models" / "english" / "tokenizer.json"
CASES = 24
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
PIECES = [
    "<a>", "<b>", "<c>", " <a>", "<b>  ", "wordz", "wordzs", " wordz ", "_wordz", "ab~", "ab~c", "ab~cd", "caf\u00e9",
    "cafe\u0301", "abab", " ", "  ", "\n", "\n\n", "\t", "\r\n", "'s", "'ll", "'LL", "I'm", "123", "1", "12345", "\u00bd",
    "\u00b2", "\u0663", "the", " the", "Hello", "<|endoftext|>", "\u00e9\u00e9", "e\u0301\u0323", "\u0344", "\ud55c\uad6d",
    "\u1100\u1161\u11a8", "\u65e5\u672c", "\U0001f600", "\u200d", "\u180e", "\u0085", "\u00a0", "\u2003", "\u3000", "_",
    "!!!", "...", "$", "\u2126", "\u0958", "\u2167", "\u24d0", "\u0301\u0300", "\x00", "\x1c", "\u01c5", "\U0001d15e", "A" * 60,
]


def byte_level(**options):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True, **options}


def split(pattern, behavior, invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def sequence(*steps):
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": list(steps)}}


def added(first, content, **options):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return {"id": first, "content": content, **flags, **options}


def template(first, last):
    special = {t["content"]: {"id": t["content"], "ids": [t["id"]], "tokens": [t["content"]]} for t in (first, last)}
    single = [
        {"SpecialToken": {"id": first["content"], "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": last["content"], "type_id": 0}},
    ]
    pair = [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}]
    one = {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}
    return {"type": "Sequence", "processors": [byte_level(), one]}


def variants(base):
    n = len(base["model"]["vocab"])
    more = [
        added(n, "<a>", lstrip=True),
        added(n + 1, "<b>", rstrip=True),
        added(n + 2, "<c>", lstrip=True, rstrip=True, special=True),
        added(n + 3, "wordz", single_word=True),
        added(n + 4, "caf\u00e9", normalized=True),
        added(n + 5, "ab~", single_word=True, normalized=True),
        added(n + 6, "ab~c"),
        added(n + 7, "\u00e9\u00e9", normalized=True, rstrip=True),
    ]
    tokens = {"added_tokens": base["added_tokens"] + more}
    yield "nfc", {"normalizer": {"type": "NFC"}}
    yield "prefix_space", {"pre_tokenizer": byte_level(add_prefix_space=True)}
    yield "no_regex", {"pre_tokenizer": byte_level(use_regex=False)}
    yield "llama3", sequence(split({"Regex": LLAMA3}, "Isolated"), byte_level(use_regex=False))
    yield "gpt2_split", sequence(split({"Regex": GPT2}, "Removed", True), byte_level(use_regex=False))
    yield "removed", sequence(split({"Regex": r"\s+"}, "Removed"), byte_level(use_regex=False))
    yield "contiguous", sequence(split({"Regex": r"\d"}, "Contiguous"), byte_level(use_regex=False))
    yield "literal", sequence(split({"String": "ab"}, "Isolated"), split({"String": "e"}, "Contiguous"), byte_level())
    yield "falcon", sequence(
        {"type": "Punctuation", "behavior": "Contiguous"},
        byte_level(),
        {"type": "Digits", "individual_digits": False},
        split({"Regex": "[0-9][0-9][0-9]"}, "Isolated"),
    )
    yield "two_patterns", sequence(
        split({"Regex": r"\p{N}{1,3}"}, "Isolated"), split({"Regex": r"\p{L}+|\s"}, "Isolated"), byte_level(use_regex=False)
    )
    yield "mapped_patterns", sequence(byte_level(), split({"Regex": "[0-9][0-9]"}, "Isolated"), split({"Regex": "[0-9]"}, "Isolated"))
    yield "digits", sequence({"type": "Digits", "individual_digits": True}, byte_level())
    yield "mapped_regex", sequence(byte_level(), split({"Regex": r"\p{L}"}, "Contiguous"))
    yield "added_nfc", {**tokens, "normalizer": {"type": "NFC"}}
    yield "added", tokens
    yield "template", {**tokens, "post_processor": template(more[2], more[0])}
    yield "nfc_in_sequence", {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Sequence", "normalizers": [{"type": "NFC"}]}]}}
    yield "ignore_merges", {"model": {"ignore_merges": True, "merges": base["model"]["merges"][:40]}}
    letters = {symbol: i for i, symbol in enumerate(["<unk>", "a", "b", "t", "h", "e", "\u0120", "ab", "\u0120t", "<unk>a"])}
    small = {"vocab": letters, "merges": ["a b", "\u0120 t", "<unk> a"], "unk_token": "<unk>"}
    few = {"added_tokens": [added(len(letters), "<a>"), added(len(letters) + 1, "the", single_word=True)]}
    for name, pattern, behavior in [
        ("words", r"\w+|\W", "Isolated"), ("word_borders", r"\b", "Isolated"), ("no_borders", r"\B", "Contiguous"),
        ("hexadecimal", r"\h+", "Contiguous"), ("line_beginnings", r"^.", "Isolated"), ("line_ends", r".$|\v", "Removed"),
        ("of_no_length", r"a|b*", "Removed"), ("scripts", r"\p{Han}+|\p{Hangul}|\u00e9|\x{2003}", "Isolated"),
        ("between", r"(?<=\p{L})(?=\p{N})|", "Isolated"), ("borders_contiguous", r"x?|\b", "Contiguous"),
    ]:
        yield name, sequence(split({"Regex": pattern}, behavior), byte_level(use_regex=False))
    yield "no_symbols", sequence(byte_level(), split({"String": " "}, "Removed"), split({"String": "\u65e5"}, "Isolated"))
    yield "unknown", {**few, "model": {**small, "fuse_unk": False}}


def main():
    base = json.loads(VOCABULARY.read_text(encoding="utf-8"))
    rng = random.Random(7)
    result = []
    for name, patch in variants(base):
        model = {**base["model"], **patch.get("model", {})}
        tokenizer = Tokenizer.from_str(json.dumps({**base, **patch, "model": model}))
        texts = ["".join(rng.choices(PIECES, k=rng.randint(0, 12))) for _ in range(CASES)]
        cases = [{"text": text, "ids": tokenizer.encode(text).ids} for text in texts]
        result.append({"name": name, "patch": patch, "cases": cases})
    out = {"tokenizers": tokenizers.__version__, "variants": result}
    path = GOLDEN_DIR / "tokenizer_variants.json"
    path.write_text(json.dumps(out, ensure_ascii=True, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
