"""Writes a small random Mamba with the English vocabulary: make_model.py FOLDER TOKENIZER [fault]."""

import json
import math
import random
import shutil
import struct
import sys
from pathlib import Path

D_MODEL, LAYERS, VOCAB, D_INNER, D_STATE, D_CONV, DT_RANK = 16, 2, 4096, 32, 4, 4, 2


def tensors(rng, vocab):
    def normal(name, shape, scale):
        count = math.prod(shape)
        return name, shape, [rng.gauss(0, scale) for _ in range(count)]

    yield normal("backbone.embeddings.weight", [vocab, D_MODEL], 1.0)
    yield "backbone.norm_f.weight", [D_MODEL], [1.0] * D_MODEL
    for layer in range(LAYERS):
        prefix = f"backbone.layers.{layer}."
        yield prefix + "norm.weight", [D_MODEL], [1.0] * D_MODEL
        prefix += "mixer."
        yield normal(prefix + "in_proj.weight", [2 * D_INNER, D_MODEL], 0.25)
        yield normal(prefix + "conv1d.weight", [D_INNER, 1, D_CONV], 0.5)
        yield normal(prefix + "conv1d.bias", [D_INNER], 0.1)
        yield normal(prefix + "x_proj.weight", [DT_RANK + 2 * D_STATE, D_INNER], 0.2)
        yield normal(prefix + "dt_proj.weight", [D_INNER, DT_RANK], 0.5)
        yield normal(prefix + "dt_proj.bias", [D_INNER], 1.0)
        yield prefix + "A_log", [D_INNER, D_STATE], [math.log(1 + n) for _ in range(D_INNER) for n in range(D_STATE)]
        yield prefix + "D", [D_INNER], [1.0] * D_INNER
        yield normal(prefix + "out_proj.weight", [D_MODEL, D_INNER], 0.2)


def write_safetensors(path, items, fault):
    header, data = {}, b""
    for name, shape, values in items:
        if fault == "missing" and name.endswith("norm_f.weight"):
            continue
        if fault == "nan" and name.endswith("0.mixer.D"):
            values = [math.nan, *values[1:]]
        if fault == "huge" and name.endswith("proj.weight"):
            values = [1e30] * len(values)
        if fault == "wrong-shape" and name.endswith("0.mixer.conv1d.weight"):
            shape = [D_CONV, 1, D_INNER]
        begin = len(data)
        data += struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, len(data)]}
    if fault == "overlap":
        first, second = list(header)[:2]
        size = header[second]["data_offsets"][1] - header[second]["data_offsets"][0]
        header[second]["data_offsets"] = [header[first]["data_offsets"][1] - size, header[first]["data_offsets"][1]]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    length = 2**60 if fault == "huge-header" else len(text)
    blob = struct.pack("<Q", length) + text + data
    if fault == "truncated":
        blob = blob[: len(blob) // 2]
    path.write_bytes(blob + (b"\0" * 64 if fault == "trailing" else b""))


def main():
    folder, tokenizer = Path(sys.argv[1]), Path(sys.argv[2])
    fault = sys.argv[3] if len(sys.argv) > 3 else ""
    vocab = 60000 if fault == "many-words" else VOCAB
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "model_type": "mamba", "hidden_size": D_MODEL, "num_hidden_layers": LAYERS, "vocab_size": vocab,
        "intermediate_size": D_INNER, "state_size": D_STATE, "conv_kernel": D_CONV, "time_step_rank": DT_RANK,
        "use_bias": False, "use_conv_bias": True, "tie_word_embeddings": True, "layer_norm_epsilon": 1e-5,
        "hidden_act": "silu",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config) if fault != "bad-config" else '{"model_type": ')
    write_safetensors(folder / "model.safetensors", list(tensors(random.Random(1), vocab)), fault)
    shutil.copy(tokenizer, folder / "tokenizer.json")
    if fault == "bad-tokenizer":
        (folder / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b"]]}}')


if __name__ == "__main__":
    main()
