"""Tiny RWKV models out of BlinkDL's own layer classes, which are cut out of their files because those files need CUDA.

`--ref DIR` is a checkout of the public repository BlinkDL/RWKV-LM, whose commit is printed into the golden file.
"""

import argparse
import ast
import importlib.util
import math
import os
import types
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from arch_common import checkout_commit, double_parameters, head_rows, write_case
from common import DoubleTorch

RULES = [
    (r"time_decay$", "uniform", -3.0, 0.3), (r"att\.w0$", "uniform", -4.0, 1.0), (r"time_(first|faaaa)$", "uniform", -1.0, 1.5),
    (r"(time_mix_[kvrg]|time_maa_[xwkvrg]|\.x_[rwkvag])$", "uniform", 0.1, 0.9), (r"k_[ka]$", "normal", 0.9, 0.3),
    (r"r_k$", "normal", 0.0, 0.6), (r"att\.[av]0$", "normal", 0.0, 0.7),
]


class AllDouble(DoubleTorch):
    @property
    def float(self):
        return torch.float64 if torch.Tensor.float is torch.Tensor.double else torch.float32  # as common.true_double has it


def arguments(*others: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ref", required=True, help="checkout of BlinkDL/RWKV-LM")
    parser.add_argument("--commit", help="its commit, where the folder is an export without .git")
    for name in others:
        parser.add_argument(f"--{name}", required=True, help=f"checkout that has the {name} reference operator")
        parser.add_argument(f"--{name}-commit", help="its commit, where the folder is an export without .git")
    return parser.parse_args()


def public_code(path: Path, names: list[str], **given) -> types.SimpleNamespace:
    """Classes and functions of one public file by name, run among `given`; everything that is float there is double."""
    space = dict(torch=AllDouble(), nn=nn, F=F, math=math, os=os, MyModule=nn.Module, MyFunction=lambda f: f, **given)
    found = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, (ast.ClassDef, ast.FunctionDef)) and n.name in names]
    last = {n.name: n for n in found}  # a CUDA wrapper comes before its plain form
    assert set(last) == set(names), f"{path} lacks {set(names) - set(last)}"
    exec(compile(ast.Module(list(last.values()), []), str(path), "exec"), space)
    return types.SimpleNamespace(**{name: space[name] for name in names}, space=space)


def naive_rwkv6(folder: str):
    """fla/ops/rwkv6/recurrent_naive.py of flash-linear-attention, alone."""
    path = Path(folder) / "fla" / "ops" / "rwkv6" / "recurrent_naive.py"
    spec = importlib.util.spec_from_file_location("recurrent_naive", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_head(x: torch.Tensor, heads: int) -> torch.Tensor:
    """[1, T, H*N] -> [1, H, T, N]."""
    return x.view(1, x.shape[1], heads, -1).transpose(1, 2)


class HeadOp:
    """A recurrence op(v, *fixed) with v [1, H, T, V] first; keeps its calls for the rows of the map."""

    def __init__(self, op):
        self.op, self.calls = op, []

    def __call__(self, v, *fixed):
        self.calls.append((v.detach(), [x.detach() for x in fixed]))
        return self.op(v, *fixed)

    def rows(self) -> list[torch.Tensor]:
        """Of every call; y and v as [T, H, V]."""
        return [head_rows(lambda x: self.op(x.transpose(0, 1)[None], *fixed)[0].transpose(0, 1), v[0].transpose(0, 1))
                for v, fixed in self.calls]


class Block(nn.Module):
    def __init__(self, att: nn.Module, ffn: nn.Module, size: int, eps: float, first: bool):
        super().__init__()
        if first:
            self.ln0 = nn.LayerNorm(size, eps=eps)
        self.ln1, self.ln2, self.att, self.ffn = nn.LayerNorm(size, eps=eps), nn.LayerNorm(size, eps=eps), att, ffn


class Model(nn.Module):
    """make_att(layer), make_ffn(layer): time and channel mix. RWKV-7's time mix takes and returns the first layer's values."""

    def __init__(self, config: dict, make_att, make_ffn, values: bool = False):
        super().__init__()
        size, eps = config["hidden_size"], config["norm_eps"]
        self.emb = nn.Embedding(config["vocab_size"], size)
        self.blocks = nn.ModuleList(Block(make_att(l), make_ffn(l), size, eps, l == 0) for l in range(config["num_hidden_layers"]))
        self.ln_out = nn.LayerNorm(size, eps=eps)
        self.head = nn.Linear(size, config["vocab_size"], bias=False)
        self.values = values

    def forward(self, tokens):
        x, first = self.blocks[0].ln0(self.emb(tokens)[None]), None
        for b in self.blocks:
            if self.values:
                y, first = b.att(b.ln1(x), first)
            else:
                y = b.att(b.ln1(x))
            x = x + y
            x = x + b.ffn(b.ln2(x))
        return self.head(self.ln_out(x))[0]


def layer_args(config: dict, **more) -> types.SimpleNamespace:
    size = config["hidden_size"]
    return types.SimpleNamespace(n_embd=size, dim_att=size, dim_ffn=config["intermediate_size"], n_layer=config["num_hidden_layers"],
                                 vocab_size=config["vocab_size"], ctx_len=64, my_testing="", head_size=config.get("head_size"),
                                 head_size_a=config.get("head_size"), **more)


def base_config(model_type: str, **settings) -> dict:
    return dict(dict(model_type=model_type, vocab_size=31, hidden_size=16, num_hidden_layers=3, intermediate_size=20, norm_eps=1e-3),
                **settings)


def reference(args: argparse.Namespace, *parts: str) -> str:
    return ", ".join([f"RWKV-LM {args.commit or checkout_commit(args.ref)}", *parts])


def other_commit(args: argparse.Namespace, name: str) -> str:
    return getattr(args, f"{name}_commit") or checkout_commit(getattr(args, name))


def write_model(name: str, config: dict, model: Model, op, seed: int, source: str, modules=()) -> None:
    """op.calls are the calls of the recurrence so far, op.rows() their maps."""
    parameters = double_parameters(model, seed, RULES)

    def maps(tokens):
        op.calls.clear()
        model(tokens)
        return op.rows()

    write_case(name, config, parameters, model, maps, seed=seed, vocab=config["vocab_size"], reference=source,
               modules=list(modules) or [types.SimpleNamespace()])
