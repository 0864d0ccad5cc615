"""Tiny random Mamba-2 models under the names and config.json of state-spaces/mamba: tests/golden/arch/mamba2-ssm*.safetensors.

The mixer is the public class itself; its scan is the public minimal SSD and its gated norm the public reference of that norm, because
its own need a GPU. `--ref DIR` is a checkout of state-spaces/mamba.
"""

import argparse
import ast
import math
import types
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import nn

from arch_common import RmsNorm, checkout_commit, double_parameters, head_rows, write_case

CHUNK = 8
CODE = {"mamba_ssm/modules/ssd_minimal.py": ("segsum", "ssd_minimal_discrete"), "mamba_ssm/ops/triton/layernorm_gated.py": ("rms_norm_ref",),
        "mamba_ssm/modules/mamba2.py": ("Mamba2",)}
BASE = dict(layer="Mamba2", d_state=6, headdim=4)
CASES = {
    "mamba2-ssm": (136, dict(BASE, d_ssm=16, ngroups=2, D_has_hdim=True, norm_before_gate=True, dt_limit=[0.05, 1.5])),
    "mamba2-ssm-plain": (137, dict(BASE, ngroups=4, rmsnorm=False, bias=True, d_conv=3, headdim=8)),
}


class Scan:
    """mamba_chunk_scan_combined's arguments on the minimal SSD; keeps its calls for the rows of the map."""

    def __init__(self):
        self.space, self.calls = None, []

    def core(self, x, dt, A, B, C):
        heads = x.shape[2]
        pad = -x.shape[1] % CHUNK
        B, C = (repeat(m, "b l g n -> b l (g r) n", r=heads // m.shape[2]) for m in (B, C))
        X, decay, B, C = (F.pad(m, (0, 0) * (m.ndim - 2) + (0, pad)) for m in (x * dt[..., None], dt * A, B, C))
        return self.space.ssd_minimal_discrete(X, decay, B, C, CHUNK)[0][:, : x.shape[1]]

    def __call__(self, x, dt, A, B, C, chunk_size, D, z, dt_bias, dt_softplus, dt_limit=(0.0, math.inf), **_):
        assert dt_softplus
        dt = F.softplus(dt + dt_bias).clamp(*dt_limit)
        self.calls.append([m.detach() for m in (x, dt, A, B, C)])
        y = self.core(x, dt, A, B, C) + (D[..., None] if D.ndim == 1 else D) * x
        return y if z is None else y * F.silu(z)


class GatedNorm(nn.Module):
    space = None

    def __init__(self, size, eps, norm_before_gate, group_size, **_):
        super().__init__()
        self.weight, self.eps, self.before, self.group_size = nn.Parameter(torch.ones(size)), eps, norm_before_gate, group_size

    def forward(self, x, z):
        return self.space.rms_norm_ref(x, self.weight, None, z, self.eps, self.group_size, self.before, upcast=False)


def public_code(ref: str, scan: Scan) -> types.ModuleType:
    module = types.ModuleType("mamba_ssm_references")
    module.__dict__.update(torch=torch, nn=nn, F=F, math=math, rearrange=rearrange, repeat=lambda *a, **k: repeat(*a, **k), RMSNormGated=GatedNorm,
                           mamba_chunk_scan_combined=scan, causal_conv1d_fn=None, PyTorchModelHubMixin=object)
    for file, names in CODE.items():
        tree = ast.parse((Path(ref) / file).read_text())
        tree.body = [n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.name in names]
        exec(compile(tree, file, "exec"), module.__dict__)
    scan.space = GatedNorm.space = module
    return module


class Layer(nn.Module):
    def __init__(self, space, d_model: int, cfg: dict):
        super().__init__()
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in cfg.items() if k != "layer"}
        self.norm, self.mixer = RmsNorm(d_model, 1e-5), space.Mamba2(d_model, use_mem_eff_path=False, chunk_size=CHUNK, **given)

    def forward(self, x):
        return x + self.mixer(self.norm(x)[None])[0]


class LanguageModel(nn.Module):
    def __init__(self, space, config: dict, rows: int):
        super().__init__()
        d = config["d_model"]
        self.backbone = nn.Module()
        self.backbone.embedding = nn.Embedding(rows, d)
        self.backbone.layers = nn.ModuleList(Layer(space, d, config["ssm_cfg"]) for _ in range(config["n_layer"]))
        self.backbone.norm_f = RmsNorm(d, 1e-5)

    def forward(self, tokens):
        x = self.backbone.embedding(tokens)
        for layer in self.backbone.layers:
            x = layer(x)
        return self.backbone.norm_f(x) @ self.backbone.embedding.weight.T


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ref", required=True)
    parser.add_argument("--commit", help="of --ref, where the folder is an export without .git")
    args = parser.parse_args()
    scan = Scan()
    space = public_code(args.ref, scan)
    for name, (seed, cfg) in CASES.items():
        config = dict(d_model=16, n_layer=2, vocab_size=29, ssm_cfg=cfg, rms_norm=True, residual_in_fp32=True, fused_add_norm=True,
                      pad_vocab_size_multiple=16, tie_embeddings=True)
        model = LanguageModel(space, config, rows=32)
        parameters = double_parameters(model, seed, [(r"A_log$", "uniform", -2.0, 0.7)])

        def rows(tokens):
            scan.calls.clear()
            model(tokens)
            return [head_rows(lambda v: scan.core(v[None], *fixed)[0], x[0]) for x, *fixed in scan.calls]

        write_case(name, config, parameters, model, rows, seed=seed, vocab=29, modules=[space],
                   reference=f"state-spaces/mamba {args.commit or checkout_commit(args.ref)}, {', '.join(CODE)}")


if __name__ == "__main__":
    main()
