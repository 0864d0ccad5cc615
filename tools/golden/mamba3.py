"""Tiny random Mamba-3 models of mamba_ssm itself, SISO and MIMO: tests/golden/arch/mamba3*.safetensors.

Modules and trunk are the published ones, their Triton norms run in Triton's CPU interpreter. The two recurrences, whose kernels need a
GPU, are mamba_ssm's plain step references; they stand in its test files and are taken out by name.
"""

import ast
import math
import sys
import types
from pathlib import Path
from typing import Optional, Tuple

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor

import public_triton
from arch_common import Capture, double_parameters, head_rows, joint_difference_error, write_case

# The package's own start and two modules that it loads there need compiled CUDA code.
sys.modules["mamba_ssm"] = package = types.ModuleType("mamba_ssm")
package.__path__ = [str(Path(sys.argv[sys.argv.index("--ref") + 1]) / "mamba_ssm")]
sys.modules["selective_scan_cuda"] = types.ModuleType("selective_scan_cuda")
args = public_triton.arguments(__doc__, "state-spaces/mamba", "mamba_ssm.models.mixer_seq_simple")

from mamba_ssm.models.config_mamba import MambaConfig  # noqa: E402
from mamba_ssm.models.mixer_seq_simple import MambaLMHeadModel  # noqa: E402
from mamba_ssm.modules import mamba3  # noqa: E402

FILES = {"mamba3_siso_step_ref": "tests/ops/triton/test_mamba3_siso.py", "mamba3_MIMO_step_ref": "tests/ops/tilelang/test_mamba3_mimo.py"}
SEED = 1
ROWS = (7, 23, 36)
RULES = [(r"mimo_", "normal", 0.5, 0.4), (r"[BC]_bias", "normal", 0.5, 0.5)]


def references(ref: str) -> types.ModuleType:
    module = sys.modules["mamba_ssm.references"] = types.ModuleType("mamba_ssm.references")
    module.__dict__.update(torch=torch, math=math, F=F, rearrange=rearrange, repeat=repeat, Optional=Optional, Tuple=Tuple, Tensor=Tensor)
    for name, file in FILES.items():
        tree = ast.parse((Path(ref) / file).read_text())
        tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
        exec(compile(tree, file, "exec"), module.__dict__)
    return module


refs = references(args.ref)


def siso(Q, K, V, ADT, DT, Trap, Q_bias, K_bias, Angles, D=None, Z=None, chunk_size=0, Input_States=None, return_final_states=False, cu_seqlens=None):
    return refs.mamba3_siso_step_ref(Q, K, V, ADT, DT, Trap, Q_bias, K_bias, Angles, D, Z)[0]


def mimo(Q, K, V, ADT, DT, Trap, Q_bias, K_bias, MIMO_V, MIMO_Z, MIMO_Out, Angles, D, Z, chunk_size, rotary_dim_divisor, dtype, return_state,
         cu_seqlens, fuse_pregate_headwise_rms_norm, outproj_norm_weight, outproj_norm_eps):
    """The kernel turns channels i and i + N/2 together, the reference 2i and 2i + 1."""
    order = torch.arange(Q.shape[-1]) if mimo.pairwise else torch.arange(Q.shape[-1]).view(2, -1).T.flatten()
    Q, K, Q_bias, K_bias = (t[..., order] for t in (Q, K, Q_bias, K_bias))
    weight = None if outproj_norm_weight is None else outproj_norm_weight.view(V.shape[2:])
    return refs.mamba3_MIMO_step_ref(Q, K, V, ADT, DT, Trap, Q_bias, K_bias, Angles, MIMO_V, MIMO_Out, D, Z, MIMO_Z,
                                     fused_norm=fuse_pregate_headwise_rms_norm, outproj_norm_weight=weight, outproj_norm_eps=outproj_norm_eps)[0]


mamba3.mamba3_siso_combined, mamba3.mamba3_mimo_combined = siso, mimo


def held(call: dict) -> dict:
    return {k: t.detach() if isinstance(t, torch.Tensor) else t for k, t in call.items() if k != "V"}


def siso_rows(mixer, call: dict, z: torch.Tensor, read: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of the recurrence [n, H, T], and what multiplies its output on its way to out_proj [T, H, P]."""
    fixed, v = {**held(call), "D": None, "Z": None}, call["V"][0].detach()
    mix = lambda values: siso(V=values[None], **fixed)[0]
    with torch.enable_grad():
        alpha = torch.stack([head_rows(mix, v, t) for t in ROWS])
    y = mix(v).detach() + mixer.D.detach()[:, None] * v
    factor = F.silu(z.view_as(v))
    if mixer.is_outproj_norm:
        factor = factor * torch.rsqrt(y.square().mean(-1, keepdim=True) + mixer.norm.eps) * mixer.norm.weight.detach().view(v.shape[1:])
    tight = dict(rtol=1e-9, atol=1e-11) if v.dtype == torch.float64 else dict(rtol=1e-3, atol=1e-5)
    assert torch.allclose((factor * y).flatten(1), read, **tight), "the factor is not what the module does"
    return alpha, factor


def mimo_rows(mixer, call: dict) -> torch.Tensor:
    """Mean over reads and writes: the recurrence with ones for mimo_x and mimo_o sums over both."""
    ones = torch.ones_like(mixer.mimo_x)
    fixed = {**held(call), "D": None, "Z": None, "MIMO_V": ones, "MIMO_Out": ones, "fuse_pregate_headwise_rms_norm": False}
    with torch.enable_grad():
        rows = [head_rows(lambda v: mimo(V=v[None], **fixed)[0], call["V"][0].detach(), t) for t in ROWS]
    return torch.stack(rows) / mixer.mimo_rank**2


def rows_of(mixers: list, run) -> dict[str, torch.Tensor]:
    seen, hooks = [{} for _ in mixers], []
    for s, m in zip(seen, mixers):
        hooks.append(m.in_proj.register_forward_hook(lambda _, i, o, s=s, m=m: s.update(z=o[0, :, :m.d_inner].detach())))
        hooks.append(m.out_proj.register_forward_pre_hook(lambda _, i, s=s: s.update(read=i[0][0].detach())))
    with Capture(mamba3, "mamba3_siso_combined") as single, Capture(mamba3, "mamba3_mimo_combined") as several:
        run()
    for hook in hooks:
        hook.remove()
    out = {"row_tokens": torch.tensor(ROWS)}
    for i, (mixer, call, s) in enumerate(zip(mixers, single.calls + several.calls, seen)):
        if mixer.is_mimo:
            out[f"core_rows.{i}"] = mimo_rows(mixer, call)
            continue
        out[f"core_rows.{i}"], factor = siso_rows(mixer, call, s["z"], s["read"])
        gates = factor[list(ROWS)]  # [n, H, P]
        out[f"mixer_rows.{i}"] = out[f"core_rows.{i}"] * gates.mean(-1, keepdim=True)
        out[f"mixer_abs_rows.{i}"] = (out[f"core_rows.{i}"] * gates.abs().mean(-1, keepdim=True)).abs()
    return out


def attention_row(query, key, scale) -> torch.Tensor:
    """The last token's weights, [H, T]."""
    scores = torch.einsum("hd,htd->ht", query[0, :, -1], key[0]) * (scale or query.shape[-1] ** -0.5)
    return torch.softmax(scores, -1).detach()


def attention_rows(run) -> list[torch.Tensor]:
    """Of every attention layer of one pass."""
    original, found = F.scaled_dot_product_attention, []

    def attention(query, key, value, is_causal, scale):
        assert is_causal
        found.append(attention_row(query, key, scale))
        return original(query, key, value, is_causal=True, scale=scale)

    F.scaled_dot_product_attention = attention
    try:
        run()
    finally:
        F.scaled_dot_product_attention = original
    return found


def write(name: str, d_intermediate: int, d_model: int, ssm_cfg: dict, attention: dict | None = None) -> None:
    """attention: attn_cfg of the last layer."""
    config = dict(d_model=d_model, d_intermediate=d_intermediate, n_layer=2, vocab_size=29, ssm_cfg=ssm_cfg,
                  attn_layer_idx=[1] if attention else [], attn_cfg=attention or {},
                  rms_norm=True, residual_in_fp32=True, fused_add_norm=True, pad_vocab_size_multiple=8, tie_embeddings=True)
    mimo.pairwise, kept = ssm_cfg.get("rotate_pairwise", False), {}
    with public_triton.in_double():
        model = MambaLMHeadModel(MambaConfig(**config))
    parameters = double_parameters(model, SEED, RULES)

    def forward(tokens):
        return model(tokens[None]).logits[0]

    def more(tokens):
        out = rows_of([layer.mixer for layer in model.backbone.layers if isinstance(layer.mixer, mamba3.Mamba3)], lambda: forward(tokens))
        if not kept:  # the first run is the one in double
            kept.update(out)
        return out

    op = FILES["mamba3_MIMO_step_ref" if ssm_cfg["is_mimo"] else "mamba3_siso_step_ref"]

    def rows(tokens):
        own = [r[-1] for key, r in kept.items() if key.startswith("core_rows")]
        return own + attention_rows(lambda: forward(tokens)) if attention else own

    write_case(name, config, parameters, forward, rows, seed=SEED, vocab=29, double=public_triton.in_double, more=more, difference=joint_difference_error, noisy=True,
               reference=f"state-spaces/mamba {args.commit}, MambaLMHeadModel with its own trunk, step reference of {op}")


def main() -> None:
    base = dict(layer="Mamba3", expand=2, headdim=8, ngroups=1, is_mimo=False, mimo_rank=1, is_outproj_norm=False)
    write("mamba3", 24, 8, dict(base, d_state=8, rope_fraction=0.5))
    write("mamba3-norm", 0, 16, dict(base, d_state=6, rope_fraction=1.0, ngroups=2, is_outproj_norm=True))
    write("mamba3-mimo", 0, 16, dict(base, d_state=8, rope_fraction=1.0, is_mimo=True, mimo_rank=3))
    write("mamba3-mimo-norm", 0, 16, dict(base, d_state=8, rope_fraction=0.5, is_mimo=True, mimo_rank=2, is_outproj_norm=True))
    write("mamba3-attn", 24, 8, dict(base, d_state=8, rope_fraction=0.5), dict(causal=True, num_heads=2, num_heads_kv=1, head_dim=6, d_conv=3))
    # Pairs side by side, which no published module asks for: the reference's own order.
    write("mamba3-mimo-pairwise", 0, 16, dict(base, d_state=8, rope_fraction=0.5, is_mimo=True, mimo_rank=2, is_outproj_norm=True, rotate_pairwise=True))


if __name__ == "__main__":
    main()
