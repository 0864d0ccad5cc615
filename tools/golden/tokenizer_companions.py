"""Token ids under tokenizer.json with the files that may lie beside it, by `transformers`.

Writes tests/golden/tokenizer_companions.json: a list of {name, added, files, text, ids}: `added` goes into "added_tokens" of
models/english/tokenizer.json, `files` are laid beside it.
"""

import json
import os
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import transformers
from transformers import AutoTokenizer

from common import GOLDEN_DIR

VOCABULARY = GOLDEN_DIR.parents[1] / "models" / "english" / "tokenizer.json"
TEXT = "one <b>  two the<unk>x <|endoftext|>  end"
FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
CONFIG, NAMES, OLD = "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"


def token(content, **flags):
    return {"content": content, **FLAGS, **flags}


def marked(content, **flags):
    return {"__type": "AddedToken", **token(content, **flags)}


def cases(n):
    left = [{"id": n, **token("<b>", lstrip=True)}]
    end = {"0": token("<|endoftext|>", special=True)}
    yield "nothing beside", [], {}
    yield "nothing new", [], {CONFIG: {"eos_token": "<|endoftext|>", "added_tokens_decoder": end, "model_max_length": 2, "padding_side": "left"}}
    yield "new name", [], {CONFIG: {"bos_token": "<b>"}}
    yield "new name with marks", [], {CONFIG: {"bos_token": marked("<b>", rstrip=True)}}
    yield "name of an added token", left, {CONFIG: {"bos_token": "<b>"}}
    yield "name of an added token with other marks", left, {CONFIG: {"bos_token": marked("<b>", rstrip=True)}}
    yield "name in the vocabulary", [], {CONFIG: {"bos_token": "the"}}
    yield "name of another kind", [], {CONFIG: {"image_token": "<b>"}}
    yield "order of names", [], {CONFIG: {"image_token": " tw", "pad_token": "<unk>", "bos_token": "<b>", "eos_token": "the"}}
    yield "list", [], {CONFIG: {"additional_special_tokens": ["<b>", marked("<unk>", lstrip=True)]}}
    yield "newer list", [], {CONFIG: {"additional_special_tokens": ["<b>"], "extra_special_tokens": ["<unk>"]}}
    yield "empty newer list", [], {CONFIG: {"additional_special_tokens": ["<b>"], "extra_special_tokens": []}}
    yield "empty newer list with names", [], {CONFIG: {"additional_special_tokens": ["<b>"], "extra_special_tokens": {}}}
    yield "newer names and older list", [], {CONFIG: {"additional_special_tokens": ["<b>"], "extra_special_tokens": {"x_token": "<unk>"}}}
    yield "two names for one text", [], {CONFIG: {"bos_token": "<b>", "eos_token": marked("<b>", rstrip=True)}}
    yield "newer list with names", [], {CONFIG: {"extra_special_tokens": {"image_token": "<b>"}}}
    yield "decoder wins", left, {CONFIG: {"added_tokens_decoder": {str(n): token("<b>", rstrip=True)}}}
    yield "ids of the decoder only order", [], {CONFIG: {"added_tokens_decoder": {str(n + 90): token("<b>"), str(n + 7): token("<unk>")}}}
    yield "decoder before names", [], {CONFIG: {"bos_token": "<b>", "pad_token": "<unk>", "added_tokens_decoder": {str(n): token("<b>", rstrip=True)}}}
    yield "other marks for the end", [], {CONFIG: {"added_tokens_decoder": {"0": token("<|endoftext|>", special=True, rstrip=True)}}}
    yield "map", [], {CONFIG: {}, NAMES: {"bos_token": token("<b>", rstrip=True)}}
    yield "map without configuration", [], {NAMES: {"bos_token": "<b>"}}
    yield "map over configuration", [], {CONFIG: {"bos_token": "two"}, NAMES: {"bos_token": "<b>"}}
    yield "map beside a decoder is not read", [], {CONFIG: {"added_tokens_decoder": end}, NAMES: {"bos_token": "<b>"}}
    yield "old list", [], {CONFIG: {}, OLD: {"two": n + 1, "<b>": n}, NAMES: {"pad_token": "<unk>"}}
    yield "old list with names and ids taken", left, {CONFIG: {"bos_token": "two"}, OLD: {"two": n + 1, "<unk>": n, "x": n + 2}}
    yield "no tokens around a text without a template", [], {CONFIG: {"add_bos_token": True, "bos_token": "<|endoftext|>"}}


def main():
    base = json.loads(VOCABULARY.read_text(encoding="utf-8"))
    result = []
    for name, added, files in cases(len(base["model"]["vocab"])):
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = {**base, "added_tokens": base["added_tokens"] + added}
            Path(folder, "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
            for file, content in files.items():
                if file == CONFIG:
                    content = {"tokenizer_class": "PreTrainedTokenizerFast", **content}
                Path(folder, file).write_text(json.dumps(content), encoding="utf-8")
            ids = AutoTokenizer.from_pretrained(folder)(TEXT).input_ids
        result.append({"name": name, "added": added, "files": files, "text": TEXT, "ids": ids})
    out = {"transformers": transformers.__version__, "cases": result}
    path = GOLDEN_DIR / "tokenizer_companions.json"
    path.write_text(json.dumps(out, ensure_ascii=True, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
