"""Seven families at the same size on the same children's books: bits per byte on held-out books (docs/families.md).

  python bench/families.py --hindscan build/release/bin/hindscan --data ../shared/data/text/children-train.txt.xz --out runs/families

Same tokens, optimiser and length for all; about a million parameters each, by width and depth. Needs `tokenizers` (PyPI).
"""

import argparse
import json
import lzma
import random
import statistics
import subprocess
import sys
from pathlib import Path

VOCAB, SEPARATOR = 1024, "<|endoftext|>"
COMMON = {"vocab_size": VOCAB}
CONFIGS = {
    "mamba": {"model_type": "mamba", "hidden_size": 192, "num_hidden_layers": 3},
    "mamba2": {"model_type": "mamba2", "hidden_size": 192, "num_hidden_layers": 3, "expand": 2, "head_dim": 64, "num_heads": 6, "n_groups": 1, "state_size": 64,
               "grouped_norm": True, "tie_word_embeddings": True},
    "rwkv7": None,  # --arch rwkv7 --d-model 128 --n-layer 3
    "recurrent_gemma": {"model_type": "recurrent_gemma", "hidden_size": 128, "num_hidden_layers": 4, "intermediate_size": 768,
                        "num_attention_heads": 2, "num_key_value_heads": 1},
    "gated_deltanet": {"model_type": "gated_deltanet", "hidden_size": 128, "num_hidden_layers": 4, "intermediate_size": 376,
                       "tie_word_embeddings": True, "head_dim": 64, "num_heads": 1},
    "gated_deltaproduct": {"model_type": "gated_deltaproduct", "hidden_size": 128, "num_hidden_layers": 4, "intermediate_size": 310,
                           "tie_word_embeddings": True, "head_dim": 64, "num_heads": 1, "num_householder": 2, "use_forget_gate": True,
                           "allow_neg_eigval": True},
    "transformer": {"model_type": "llama", "hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 376,
                    "tie_word_embeddings": True},
}
SEEDS = {"mamba2": [1, 2, 3], "gated_deltanet": [1, 2, 3]}
RECIPE = ["--no-carry", "--sequences", "8", "--length", "256", "--steps", "1000", "--warmup", "100", "--lr", "3e-3"]


def split(text: str) -> tuple[str, list[str]]:
    """The last books (250 kB or more) are held out, cut into passages of at most 700 characters; 420 of them are kept."""
    books = text.split(SEPARATOR)
    first, size = len(books), 0
    while size < 250_000:
        first -= 1
        size += len(books[first])
    passages = []
    for book in books[first:]:
        book = book.strip("\n")
        while book:
            end = len(book)
            if end > 700:
                end = book.rfind("\n", 300, 700)
                end = end if end >= 0 else book.rfind(". ", 300, 700) + 1
                end = end if end > 0 else 700
            passages.append(book[:end])
            book = book[end:].lstrip()
    random.Random(1).shuffle(passages)
    return SEPARATOR.join(books[:first]), passages[:420]


def train(args: argparse.Namespace, family: str, seed: int) -> dict:
    run = args.out / f"{family}-{seed}"
    model = ["--arch", family, "--d-model", "128", "--n-layer", "3"]
    if CONFIGS[family] is not None:
        config = args.out / f"{family}.json"
        config.write_text(json.dumps({**CONFIGS[family], **COMMON}))
        model = ["--config", config]
    command = [args.hindscan, "train", *model, "--tokenizer", args.out / "tokenizer.json", "--data", args.out / "train.txt", "--valid",
               args.out / "valid.txt", *RECIPE, "--seed", str(seed), "--out", run, "-t", "1", "--json"]
    report = json.loads(subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout)
    parameters = next(e["parameters"] for line in open(run / "log.jsonl") if "parameters" in (e := json.loads(line)))
    return {"parameters": parameters, "bits": report["held_out"]["bits_per_byte"], "seconds": report["seconds"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hindscan", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a new directory")
    args = parser.parse_args()
    args.out.mkdir(parents=True)
    text, passages = split(lzma.open(args.data, "rt", encoding="utf-8").read())
    (args.out / "train.txt").write_text(text, encoding="utf-8")
    held_out = f"\n{SEPARATOR}\n".join(passages)
    (args.out / "valid.txt").write_text(held_out, encoding="utf-8")
    script = Path(__file__).resolve().parents[1] / "tools" / "train_tokenizer.py"
    subprocess.run([sys.executable, script, args.out / "train.txt", "--vocab-size", str(VOCAB), "--sample-mb", "10", "--out",
                    args.out / "tokenizer.json"], check=True, stdout=subprocess.DEVNULL)
    raw = "\n".join(passages).encode()
    print(f"held out: {len(passages)} passages, {len(raw)} bytes; xz -9 of them {8 * len(lzma.compress(raw, preset=9)) / len(raw):.3f} bits per byte")
    print(f"{'family':16} {'parameters':>10} {'bits per byte':>14}  seeds")
    for family in CONFIGS:
        runs = [train(args, family, seed) for seed in SEEDS.get(family, [1])]
        bits = [r["bits"] for r in runs]
        spread = f" +- {statistics.stdev(bits):.3f}" if len(bits) > 1 else ""
        print(f"{family:16} {runs[0]['parameters']:10} {statistics.mean(bits):6.4f}{spread:8}  {' '.join(f'{b:.4f}' for b in bits)}", flush=True)


if __name__ == "__main__":
    main()
