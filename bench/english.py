#!/usr/bin/env python3
"""Judges the built-in English model: bits per byte beside gzip and xz, words of its samples, longest verbatim run.

  python3 bench/english.py build/release/bin/hindscan DATA/text [--model DIR] [--samples 40] [--json FILE]
"""
import argparse
import gzip
import json
import lzma
import os
import re
import subprocess
import tempfile

PROMPTS = ["Once upon a time", "The old man", "She looked at", "In the morning", "The King said"]


def run(binary, *arguments):
    result = subprocess.run([binary, *arguments], check=True, capture_output=True)
    return result.stdout


def samples(binary, model, count):
    for i in range(count):
        prompt = PROMPTS[i % len(PROMPTS)]
        out = run(binary, "run", *model, "-p", prompt, "-n", "200", "--temp", "0.8", "--seed", str(i), "--json")
        yield prompt, json.loads(out)["text"]


def whole_words(text):
    """Words of three letters or more; a word cut off at either end is left out."""
    return [w.lower() for w in re.findall(r"(?<=[^A-Za-z])[A-Za-z]{3,}(?=[^A-Za-z])", text)]


def longest_verbatim(text, corpus):
    """Longest run of characters of text that the corpus holds."""
    best, start = "", 0
    for end in range(1, len(text) + 1):
        while start < end and end - start > len(best) and text[start:end] not in corpus:
            start += 1
        if end - start > len(best):
            best = text[start:end]
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("data", help="folder with books-valid.txt.xz, books-train.txt.xz, children-train.txt.xz")
    parser.add_argument("--model")
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--verbatim", type=int, default=1, help="samples searched for verbatim runs (a minute or two each)")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    model = ["-m", arguments.model] if arguments.model else []

    valid = lzma.open(os.path.join(arguments.data, "books-valid.txt.xz")).read()
    with tempfile.NamedTemporaryFile(suffix=".txt") as file:
        file.write(valid)
        file.flush()
        score = json.loads(run(arguments.binary, "score", *model, "-f", file.name, "--json"))
    report = {
        "bits_per_byte": score["bits_per_byte"],
        "gzip_9": 8 * len(gzip.compress(valid, 9)) / len(valid),
        "xz_9": 8 * len(lzma.compress(valid, preset=9)) / len(valid),
    }
    train = b"".join(lzma.open(os.path.join(arguments.data, name)).read()
                     for name in ("books-train.txt.xz", "children-train.txt.xz")).decode()
    books = lzma.open(os.path.join(arguments.data, "books-train.txt.xz")).read().decode()
    known = {w.lower() for w in re.findall(r"[A-Za-z]{3,}", books)}
    texts = list(samples(arguments.binary, model, arguments.samples))
    words = [w for _, text in texts for w in whole_words(text)]
    report["words"] = len(words)
    report["words_known"] = sum(w in known for w in words) / len(words)
    report["longest_verbatim"] = max((longest_verbatim(text, train) for _, text in texts[:arguments.verbatim]), key=len)
    for key, value in report.items():
        print(f"{key:17} {value:.4f}" if isinstance(value, float) else f"{key:17} {value!r}")
    if arguments.json:
        report["samples"] = [prompt + text for prompt, text in texts[:5]]
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)


main()
