"""Tiny models in the layout of flash-linear-attention, whose recurrences run its naive reference ops.

Its layers need Triton; its naive ops are plain torch. Every script takes `--ref DIR`, a checkout of the public repository
(fla-org/flash-linear-attention), and prints the commit into the golden file. A family's script supplies the mixer.
"""

import argparse
import importlib.util
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from arch_common import checkout_commit, double_parameters, head_rows, write_case


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ref", required=True, help="checkout of fla-org/flash-linear-attention")
    parser.add_argument("--commit", help="its commit, where the folder is an export without .git")
    return parser.parse_args()


def naive_ops(ref: str, op: str):
    """The module fla/ops/<op>/naive.py, alone."""
    spec = importlib.util.spec_from_file_location(f"naive_{op}", Path(ref) / "fla" / "ops" / op / "naive.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def heads(x: torch.Tensor, n: int) -> torch.Tensor:
    """[T, n*d] -> [1, T, n, d]."""
    return x.view(1, x.shape[0], n, -1)


def l2norm(x: torch.Tensor) -> torch.Tensor:
    return x * torch.rsqrt((x * x).sum(-1, keepdim=True) + 1e-6)


class RmsNorm(nn.Module):
    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.eps) * self.weight


class ShortConvolution(nn.Conv1d):
    def __init__(self, channels: int, width: int, bias: bool = False, silu: bool = True):
        super().__init__(channels, channels, width, groups=channels, padding=width - 1, bias=bias)
        self.silu = silu

    def forward(self, x):
        y = super().forward(x.T[None])[0, :, : len(x)].T
        return F.silu(y) if self.silu else y


class Mlp(nn.Module):
    def __init__(self, size: int, inner: int):
        super().__init__()
        self.gate_proj = nn.Linear(size, inner, bias=False)
        self.up_proj = nn.Linear(size, inner, bias=False)
        self.down_proj = nn.Linear(inner, size, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, attn: nn.Module, config: dict):
        super().__init__()
        size, eps = config["hidden_size"], config["norm_eps"]
        self.attn_norm, self.attn = RmsNorm(size, eps), attn
        self.mlp_norm, self.mlp = RmsNorm(size, eps), Mlp(size, config["intermediate_size"])

    def forward(self, x):
        x = x + self.attn(self.attn_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class Trunk(nn.Module):
    def __init__(self, config: dict, make_attn):
        super().__init__()
        self.embeddings = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = nn.ModuleList(Block(make_attn(config, l), config) for l in range(config["num_hidden_layers"]))
        self.norm = RmsNorm(config["hidden_size"], config["norm_eps"])


class Model(nn.Module):
    """make_attn(config, layer) -> a module whose forward stores `last = (mix, v)` for the rows of its map."""

    def __init__(self, config: dict, make_attn):
        super().__init__()
        self.model = Trunk(config, make_attn)
        self.tied = config["tie_word_embeddings"]
        if not self.tied:
            self.lm_head = nn.Linear(config["hidden_size"], config["vocab_size"], bias=False)

    def forward(self, tokens):
        x = self.model.embeddings(tokens)
        for layer in self.model.layers:
            x = layer(x)
        x = self.model.norm(x)
        return x @ self.model.embeddings.weight.T if self.tied else self.lm_head(x)


def write_model(name: str, config: dict, make_attn, naive, seed: int, reference: str, rules=()) -> None:
    model = Model(config, make_attn)
    parameters = double_parameters(model, seed, rules)

    def rows(tokens):
        model(tokens)
        return [head_rows(*layer.attn.last) for layer in model.model.layers]

    write_case(name, config, parameters, model, rows, seed=seed, vocab=config["vocab_size"], reference=reference, modules=[naive])


def reference(args: argparse.Namespace, op: str) -> str:
    commit = args.commit or checkout_commit(args.ref)
    return f"flash-linear-attention {commit}, fla/ops/{op}/naive.py"


def base_config(model_type: str, **settings) -> dict:
    return dict(dict(model_type=model_type, vocab_size=31, hidden_size=16, num_hidden_layers=2, intermediate_size=20, norm_eps=1e-2,
                     tie_word_embeddings=False, hidden_act="swish"), **settings)
