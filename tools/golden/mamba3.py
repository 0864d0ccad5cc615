"""Tiny random Mamba-3 models, SISO and MIMO, with mamba_ssm's plain step references: tests/golden/arch/mamba3*.safetensors.

The references stand in its test files, whose other imports need a GPU; the two functions are taken out by name. `--ref DIR` is a
checkout of state-spaces/mamba.
"""

import argparse
import ast
import math
import types
from pathlib import Path
from typing import Optional, Tuple

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from arch_common import checkout_commit, double_parameters, head_rows, write_case
from fla_common import RmsNorm

FILES = {"mamba3_siso_step_ref": "tests/ops/triton/test_mamba3_siso.py", "mamba3_MIMO_step_ref": "tests/ops/tilelang/test_mamba3_mimo.py"}


def references(ref: str) -> types.ModuleType:
    module = types.ModuleType("mamba3_references")
    module.__dict__.update(torch=torch, math=math, F=F, rearrange=rearrange, repeat=repeat, Optional=Optional, Tuple=Tuple, Tensor=Tensor)
    for name, file in FILES.items():
        tree = ast.parse((Path(ref) / file).read_text())
        tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
        exec(compile(tree, file, "exec"), module.__dict__)
    return module


def pairing(n: int, angles: int) -> torch.Tensor:
    """Channel order that puts pairs (i, i + n/2) side by side, the turned ones first."""
    return torch.arange(n).view(2, n // 2).T.reshape(n)


class Mixer(nn.Module):
    def __init__(self, d_model: int, cfg: dict, refs):
        super().__init__()
        self.refs, self.cfg = refs, cfg
        self.inner, self.n, self.p, self.g = cfg["expand"] * d_model, cfg["d_state"], cfg["headdim"], cfg["ngroups"]
        self.h, self.r, self.mimo = self.inner // self.p, cfg["mimo_rank"] if cfg["is_mimo"] else 1, cfg["is_mimo"]
        self.angles = int(self.n * cfg["rope_fraction"]) // 2
        self.pairwise = cfg.get("rotate_pairwise", not self.mimo)
        bc = self.r * self.g * self.n
        self.sizes = [self.inner, self.inner, bc, bc, self.h, self.h, self.h, self.angles]
        self.in_proj = nn.Linear(d_model, sum(self.sizes), bias=False)
        self.dt_bias = nn.Parameter(torch.zeros(self.h))
        self.B_bias = nn.Parameter(torch.zeros(self.h, self.r, self.n))
        self.C_bias = nn.Parameter(torch.zeros(self.h, self.r, self.n))
        self.B_norm, self.C_norm = RmsNorm(self.n, 1e-5), RmsNorm(self.n, 1e-5)
        if self.mimo:
            self.mimo_x, self.mimo_z, self.mimo_o = (nn.Parameter(torch.zeros(self.h, self.r, self.p)) for _ in range(3))
        self.D = nn.Parameter(torch.ones(self.h))
        if cfg["is_outproj_norm"]:
            self.norm = RmsNorm(self.inner, 1e-5)
        self.out_proj = nn.Linear(self.inner, d_model, bias=False)

    def scan(self, args: dict, x, D=None, v=None, o=None):
        if self.mimo:
            return self.refs.mamba3_MIMO_step_ref(V=x, MIMO_V=v, MIMO_O=o, D=D, **args)[0][0]
        return self.refs.mamba3_siso_step_ref(V=x, D=D, **args)[0][0]

    def forward(self, u):
        z, x, B, C, dd_dt, dd_A, trap, angle = self.in_proj(u).split(self.sizes, -1)
        T = len(u)
        A = torch.clamp(-torch.where(dd_A >= 0, 1 + dd_A, 1 / (1 - dd_A.clamp(max=0))), max=-1e-4)
        dt = F.softplus(dd_dt + self.dt_bias)
        order = torch.arange(self.n) if self.pairwise else pairing(self.n, self.angles)
        B, C = (norm(t.view(T, self.r, self.g, self.n))[..., order] for norm, t in ((self.B_norm, B), (self.C_norm, C)))
        shape = (lambda t: t[None]) if self.mimo else (lambda t: t[None, :, 0])
        bias = (lambda t: t[..., order]) if self.mimo else (lambda t: t[:, 0, order])
        args = dict(Q=shape(C), K=shape(B), ADT=(A * dt).T[None], DT=dt.T[None], Trap=trap.T[None], Q_bias=bias(self.C_bias),
                    K_bias=bias(self.B_bias), Angles=angle[None, :, None].expand(1, T, self.h, self.angles))
        x = x.view(1, T, self.h, self.p)
        fixed = {k: t.detach() for k, t in args.items()}
        ones = torch.ones(self.h, self.r, self.p).double()
        self.last = (lambda values: self.scan(fixed, values[None], v=ones, o=ones), x[0])
        return self.out_proj(self.finish(args, x, z.view(1, T, self.h, self.p)))

    def finish(self, args: dict, x, z):
        normed = self.cfg["is_outproj_norm"]
        if self.mimo:
            weight = self.norm.weight.view(self.h, self.p) if normed else None
            extra = dict(Z=z, MIMO_Z=self.mimo_z, fused_norm=normed, outproj_norm_weight=weight)
            return self.scan({**args, **extra}, x, self.D, self.mimo_x, self.mimo_o).flatten(1)
        y = self.scan(args, x, self.D)
        if normed:
            y = y * torch.rsqrt((y * y).mean(-1, keepdim=True) + 1e-5) * self.norm.weight.view(self.h, self.p)
        return (y * F.silu(z[0])).flatten(1)


class Layer(nn.Module):
    def __init__(self, config: dict, refs):
        super().__init__()
        d, inner = config["d_model"], config["d_intermediate"]
        self.norm, self.mixer = RmsNorm(d, 1e-5), Mixer(d, config["ssm_cfg"], refs)
        if inner:
            self.norm2, self.mlp = RmsNorm(d, 1e-5), nn.ModuleDict(dict(fc1=nn.Linear(d, 2 * inner, bias=False), fc2=nn.Linear(inner, d, bias=False)))

    def forward(self, x):
        x = x + self.mixer(self.norm(x))
        if not hasattr(self, "mlp"):
            return x
        value, gate = self.mlp["fc1"](self.norm2(x)).chunk(2, -1)
        return x + self.mlp["fc2"](value * F.silu(gate))


class Model(nn.Module):
    def __init__(self, config: dict, refs):
        super().__init__()
        d = config["d_model"]
        self.backbone = nn.ModuleDict(dict(embedding=nn.Embedding(config["vocab_size"], d),
                                           layers=nn.ModuleList(Layer(config, refs) for _ in range(config["n_layer"])), norm_f=RmsNorm(d, 1e-5)))

    def forward(self, tokens):
        x = self.backbone["embedding"](tokens)
        for layer in self.backbone["layers"]:
            x = layer(x)
        return self.backbone["norm_f"](x) @ self.backbone["embedding"].weight.T


def rows_of(mixer: Mixer) -> torch.Tensor:
    """Mean over reads and writes: the scan with ones for mimo_x and mimo_o sums over both."""
    return head_rows(*mixer.last) / mixer.r**2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ref", required=True)
    parser.add_argument("--commit")
    args = parser.parse_args()
    refs = references(args.ref)
    commit = args.commit or checkout_commit(args.ref)
    base = dict(layer="Mamba3", expand=2, headdim=8, ngroups=1, is_mimo=False, mimo_rank=1, is_outproj_norm=False)
    cases = {
        "mamba3": (113, 24, dict(base, d_state=8, rope_fraction=0.5)),
        "mamba3-norm": (98, 0, dict(base, d_state=6, rope_fraction=1.0, ngroups=2, is_outproj_norm=True)),
        "mamba3-mimo": (68, 0, dict(base, d_state=8, rope_fraction=1.0, is_mimo=True, mimo_rank=3)),
        "mamba3-mimo-pairwise": (66, 0, dict(base, d_state=8, rope_fraction=0.5, is_mimo=True, mimo_rank=2, is_outproj_norm=True, rotate_pairwise=True)),
    }
    for name, (seed, inner, ssm_cfg) in cases.items():
        config = dict(model_type="mamba3", d_model=16, n_layer=2, vocab_size=31, pad_vocab_size_multiple=1, d_intermediate=inner,
                      tie_embeddings=True, ssm_cfg=ssm_cfg)
        model = Model(config, refs)
        parameters = double_parameters(model, seed, [(r"mimo_", "normal", 0.5, 0.4), (r"[BC]_bias", "normal", 0.5, 0.5)])

        def rows(tokens):
            model(tokens)
            return [rows_of(layer.mixer) for layer in model.backbone["layers"]]

        write_case(name, config, parameters, model, rows, seed=seed, vocab=31, modules=[refs],
                   reference=f"state-spaces/mamba {commit}, {FILES['mamba3_MIMO_step_ref' if ssm_cfg['is_mimo'] else 'mamba3_siso_step_ref']}")


if __name__ == "__main__":
    main()
