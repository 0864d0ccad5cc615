"""Small files of torch.save, and what they hold, for the reader of PyTorch checkpoints: tests/golden/torch/.

Written by torch itself (its version is in expected.json); run again only when a kind of file is missing.
"""

import collections
import json

import torch

from common import GOLDEN_DIR

FOLDER = GOLDEN_DIR / "torch"


def numbers(dtype, *shape):
    n = 1
    for s in shape:
        n *= s
    return (torch.arange(n, dtype=torch.float64) % 7 - 3).to(dtype).reshape(shape)


def state_dict():
    """Every element type, a matrix, a scalar, an empty one, tied weights, a transposed view, a slice and a parameter."""
    out = collections.OrderedDict()
    for name, dtype in {
        "f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "i64": torch.int64,
        "i32": torch.int32, "i16": torch.int16, "i8": torch.int8, "u8": torch.uint8, "bool": torch.bool,
    }.items():
        out[name] = numbers(dtype, 5)
    base = numbers(torch.float32, 4, 6)
    out["layer.weight"] = base
    out["tied.weight"] = base
    out["turned"] = base.t()
    out["rows"] = base[1:3]
    out["columns"] = base[:, 2:5]
    out["scalar"] = torch.tensor(2.5)
    out["empty"] = torch.zeros(0, 3)
    out["parameter"] = torch.nn.Parameter(numbers(torch.float32, 2, 2))
    return out


def module_state_dict():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).state_dict()


def training_checkpoint():
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return {"epoch": 3, "best": 0.5, "done": False, "note": None, "model": model.state_dict(), "optimizer": optimizer.state_dict(), "big": 2**40}


def described(tensors):
    return {
        name: {"dtype": str(t.dtype).removeprefix("torch."), "shape": list(t.shape), "values": t.detach().double().reshape(-1).tolist()}
        for name, t in tensors.items()
    }


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    expected = {"torch": torch.__version__, "files": {}}
    files = {"state_dict.pth": state_dict(), "module.pth": module_state_dict(), "plain_dict.pth": dict(a=numbers(torch.float32, 3))}
    for name, content in files.items():
        torch.save(content, FOLDER / name)
        expected["files"][name] = described(content)
    checkpoint = training_checkpoint()
    torch.save(checkpoint, FOLDER / "checkpoint.pth")
    expected["files"]["checkpoint.pth"] = described(checkpoint["model"])
    torch.save(dict(a=numbers(torch.float32, 3)), FOLDER / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Linear(2, 1), FOLDER / "whole_module.pth")
    torch.save(numbers(torch.float32, 3), FOLDER / "tensor.pth")
    torch.save(dict(s=numbers(torch.float32, 3).to_sparse()), FOLDER / "sparse.pth")
    torch.save(dict(a=numbers(torch.float32, 3)), FOLDER / "protocol4.pth", pickle_protocol=4)
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), FOLDER / "script.pth")
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    for path in sorted(FOLDER.iterdir()):
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
