"""Token ids of odd strings under many combinations of added tokens, by the `tokenizers` package.

Writes tests/golden/tokenizer_added.json, in the form of tokenizer_variants.json; `--variants N --out FILE` makes a larger one.
Texts that make `tokenizers` panic (a token that strips to the left inside what one before it stripped to the right) are left out.
"""

import argparse
import json
import random
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer

from common import GOLDEN_DIR

VOCABULARY = GOLDEN_DIR.parents[1] / "models" / "english" / "tokenizer.json"
CONTENTS = [
    "<b>", "<b>x", " <b>", "<b> ", " ", "  ", "\t", "\n", "\n\n", " the", "the", "th", "e th", "a", "ab", "ba", " a", "a ", "a b",
    "caf\u00e9", "cafe\u0301", "\u00e9", "e\u0301", "\u00a0", "\u2003x", "\u3000", "_", "_a", "\u0301", "!", " !", "\u0120the", "\u0120", "1", " 1",
]
PIECES = CONTENTS + ["   ", "      ", " \t ", "\r\n", "x", "y", "\u0085", "\u180e", "\u200b", "\u200d", "\u2028", "\x1c", "\u00b2", "\u0663", "\u65e5", "-", "."]
FIXED = ["", " ", "   ", "\n", "<b>", "<b><b>", " <b> <b> ", "<b>   <b>x   ", "a b a b", "cafe\u0301caf\u00e9 caf\u00e9"]
FLAGS = ["single_word", "lstrip", "rstrip", "normalized", "special"]
CASES = 14


def variant(rng, base):
    vocabulary = base["model"]["vocab"]
    tokens, following = [], len(vocabulary)
    for content in rng.sample(CONTENTS, rng.randint(1, 5)):
        flags = {flag: rng.random() < 0.4 for flag in FLAGS}
        token_id = vocabulary.get(content, following)
        following += content not in vocabulary
        tokens.append({"id": token_id, "content": content, **flags})
    patch = {"added_tokens": base["added_tokens"] + tokens}
    if rng.random() < 0.4:
        patch["normalizer"] = {"type": "NFC"}
    if rng.random() < 0.2:
        patch["pre_tokenizer"] = {**base["pre_tokenizer"], "add_prefix_space": True}
    if rng.random() < 0.2:
        patch["model"] = {"ignore_merges": True}
    return patch


def text(rng, patch):
    own = [token["content"] for token in patch["added_tokens"]]
    return "".join(rng.choice(own if rng.random() < 0.5 else PIECES) for _ in range(rng.randint(1, 9)))


def ids(tokenizer, string):
    try:
        return tokenizer.encode(string).ids
    except BaseException:  # a panic of the Rust side is no Exception
        return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--variants", type=int, default=50)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--out", type=Path, default=GOLDEN_DIR / "tokenizer_added.json")
    args = parser.parse_args()
    base = json.loads(VOCABULARY.read_text(encoding="utf-8"))
    rng = random.Random(args.seed)
    result = []
    for number in range(args.variants):
        patch = variant(rng, base)
        model = {**base["model"], **patch.get("model", {})}
        tokenizer = Tokenizer.from_str(json.dumps({**base, **patch, "model": model}))
        texts = FIXED + [text(rng, patch) for _ in range(CASES)]
        cases = [{"text": t, "ids": ids(tokenizer, t)} for t in texts]
        result.append({"name": f"added {number}", "patch": patch, "cases": [c for c in cases if c["ids"] is not None]})
    out = {"tokenizers": tokenizers.__version__, "variants": result}
    args.out.write_text(json.dumps(out, ensure_ascii=True, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
