#!/usr/bin/env python3
"""Keyword spotters of MambaLite-Micro as Hindscan models: linear_in -> one Mamba mixer without norm or residual -> mean over the
frames -> classifier.

    tools/convert_kws.py kws10.safetensors kws10-model
    hindscan classify -m kws10-model --features mfcc.npy      # float32 [utterances, 100, 40]

Only the names of the tensors change; the standard library is enough.
"""
import json
import os
import struct
import sys

NAMES = {"linear_in.": "feature_proj.", "mamba.": "layers.0.ssm.", "classifier.": "score."}


def renamed(name):
    for old, new in NAMES.items():
        if name.startswith(old):
            return new + name[len(old):]
    sys.exit(f"expected tensors that begin with {', '.join(NAMES)}; found {name}")


def config(shapes):
    d_model, features = shapes["feature_proj.weight"]
    return {
        "model_type": "hybrid", "hidden_size": d_model, "vocab_size": 1, "layers": ["ssm"],
        "blocks": {"ssm": {"model_type": "mamba", "state_size": shapes["layers.0.ssm.A_log"][1]}},
        "residual": False, "pre_norm": False, "final_norm": False,
        "pooling": "mean", "num_labels": shapes["score.weight"][0], "feature_dim": features,
    }


def main(source, target):
    with open(source, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    header = {name if name == "__metadata__" else renamed(name): entry for name, entry in header.items()}
    shapes = {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
    os.makedirs(target, exist_ok=True)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(target, "model.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
    with open(os.path.join(target, "config.json"), "w") as file:
        json.dump(config(shapes), file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
