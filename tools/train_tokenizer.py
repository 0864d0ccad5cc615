"""Trains a byte-level BPE tokenizer (GPT-2 pattern, no normaliser) and writes a tokenizer.json.

Example:
  python tools/train_tokenizer.py children-train.txt.xz books-train.txt.xz --vocab-size 4096 \
      --sample-mb 30 --out models/english/tokenizer.json
"""

import argparse
import lzma
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END_OF_TEXT = "<|endoftext|>"
PIECE_CHARS = 1 << 16


def read_text(path: Path) -> str:
    raw = lzma.open(path).read() if path.suffix == ".xz" else path.read_bytes()
    return raw.decode("utf-8")


def pieces(text: str) -> list[str]:
    """Cuts each book into pieces of about PIECE_CHARS that end with a paragraph's last line break."""
    out = []
    for book in text.split(f"\n{END_OF_TEXT}\n"):
        start = 0
        while start < len(book):
            cut = book.find("\n", start + PIECE_CHARS)
            end = len(book) if cut < 0 else cut
            while end < len(book) and book[end] == "\n":
                end += 1
            out.append(book[start:end])
            start = end
    return out


def spread_sample(parts: list[str], budget_chars: int) -> list[str]:
    """Every n-th piece, so that a sample covers the whole file; all of it when it fits."""
    total = sum(len(part) for part in parts)
    if total <= budget_chars:
        return parts
    count = max(1, round(len(parts) * budget_chars / total))
    return [parts[i * len(parts) // count] for i in range(count)]


def train(parts: list[str], vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(parts, trainer)
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+", type=Path, help=".txt or .txt.xz, UTF-8, books apart by <|endoftext|>")
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--sample-mb", type=float, default=30.0, help="at most this much of each input")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()

    parts = []
    for path in args.inputs:
        sample = spread_sample(pieces(read_text(path)), int(args.sample_mb * 1e6))
        print(f"{path.name}: {sum(map(len, sample)) / 1e6:.1f} M characters in {len(sample)} pieces")
        parts += sample
    tokenizer = train(parts, args.vocab_size)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(args.out))
    print(f"{args.out}: {tokenizer.get_vocab_size()} tokens, {END_OF_TEXT} = {tokenizer.token_to_id(END_OF_TEXT)}")


if __name__ == "__main__":
    main()
