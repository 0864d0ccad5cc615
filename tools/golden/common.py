"""What the golden writers share: library versions, random parameters, a safetensors writer."""

import contextlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

GOLDEN_DIR = Path(__file__).resolve().parents[2] / "tests" / "golden"


class DoubleTorch:
    """Stands in for `torch` inside a modelling file: its float32 is float64."""

    float = torch.float64
    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


@contextlib.contextmanager
def true_double(*modules):
    """Hugging Face casts norms, A, steps, states and logits to float32 whatever the model's type; inside, they stay double."""
    cast = torch.Tensor.float
    torch.Tensor.float = torch.Tensor.double
    for module in modules:
        module.torch = DoubleTorch()
    try:
        yield
    finally:
        torch.Tensor.float = cast
        for module in modules:
            module.torch = torch


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    array = tensor.detach().cpu().numpy()
    return np.ascontiguousarray(array if array.ndim else array.reshape(1))


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: to_numpy(tensor) for name, tensor in sorted(tensors.items())}
    # One entry: the writer's order of several is not fixed, and the files must come out the same each time.
    save_file(arrays, str(path), metadata={"golden": json.dumps(metadata, sort_keys=True)})
    print(f"{path.relative_to(GOLDEN_DIR)}: {len(arrays)} tensors, {path.stat().st_size / 1e3:.0f} kB")
