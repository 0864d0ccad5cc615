"""Tiny random hybrids of state-spaces/mamba: Mamba-2 (as mamba2attn-2.7b) or Mamba, attention and MLPs: tests/golden/arch/mamba{2,}-attn.safetensors.

The mixers and the MLP are the public classes, the scans the public references; flash_attn's rotary embedding, which needs a GPU, is written
anew here. `--ref DIR` is a checkout of state-spaces/mamba.
"""

import argparse
import math

import torch
import torch.nn.functional as F
from torch import nn

import mamba2_ssm
from arch_common import RmsNorm, channel_rows, checkout_commit, double_parameters, head_rows, write_case

mamba2_ssm.CODE.update({"mamba_ssm/modules/mha.py": ("MHA",), "mamba_ssm/modules/mlp.py": ("GatedMLP",), "mamba_ssm/modules/mamba_simple.py": ("Mamba",),
                        "mamba_ssm/ops/selective_scan_interface.py": ("selective_scan_ref",)})
CONFIG = dict(d_model=16, d_intermediate=100, n_layer=3, vocab_size=29, ssm_cfg=dict(layer="Mamba2", d_state=6, headdim=8, ngroups=2),
              attn_layer_idx=[1], attn_cfg=dict(causal=True, d_conv=3, head_dim=6, num_heads=4, num_heads_kv=2, out_proj_bias=False,
                                                qkv_proj_bias=True, rotary_emb_dim=4, rotary_emb_base=100.0),
              rms_norm=True, residual_in_fp32=True, fused_add_norm=True, pad_vocab_size_multiple=8, tie_embeddings=True)
MAMBA1 = {**CONFIG, "ssm_cfg": dict(d_state=5, dt_rank=3), "attn_layer_idx": [1, 2],
          "attn_cfg": dict(causal=True, head_dim=6, num_heads=3, num_heads_kv=1, out_proj_bias=True, qkv_proj_bias=False, softmax_scale=0.3)}


class Rotary(nn.Module):
    """Turns the first `dim` channels, i with i + dim/2."""

    def __init__(self, dim, base, interleaved, device):
        super().__init__()
        assert not interleaved
        self.dim, self.base = dim, base

    def turn(self, x):  # [B, T, H, d]
        half = self.dim // 2
        rate = self.base ** (-torch.arange(half, dtype=torch.float64) * 2 / self.dim)
        angle = (torch.arange(x.shape[1], dtype=torch.float64)[:, None] * rate)[:, None]  # [T, 1, half]
        cos, sin = angle.cos().to(x), angle.sin().to(x)
        a, b, rest = x[..., :half], x[..., half:self.dim], x[..., self.dim:]
        return torch.cat([a * cos - b * sin, a * sin + b * cos, rest], -1)

    def forward(self, q, kv, seqlen_offset, max_seqlen):
        return self.turn(q), torch.stack([self.turn(kv[:, :, 0]), kv[:, :, 1]], 2)


class ElementScan:
    """selective_scan_fn on the plain reference; keeps its calls for the rows of the map."""

    def __init__(self):
        self.space, self.calls = None, []

    def __call__(self, u, delta, A, B, C, D, z, **rest):
        assert not rest["return_last_state"]
        fixed = dict(delta_bias=rest["delta_bias"], delta_softplus=rest["delta_softplus"])
        self.calls.append([m.detach() for m in (u, delta, A, B, C)] + [{k: m.detach() if k == "delta_bias" else m for k, m in fixed.items()}])
        return self.space.selective_scan_ref(u, delta, A, B, C, D, z, **fixed)

    def rows(self) -> list[torch.Tensor]:
        ref = self.space.selective_scan_ref
        return [channel_rows(lambda x: ref(x.T[None], delta, A, B, C, **fixed)[0].T, u[0].T) for u, delta, A, B, C, fixed in self.calls]


class Layer(nn.Module):
    def __init__(self, space, config: dict, index: int):
        super().__init__()
        d = config["d_model"]
        self.norm, self.norm2 = RmsNorm(d, 1e-5), RmsNorm(d, 1e-5)
        ssm = {k: v for k, v in config["ssm_cfg"].items() if k != "layer"}
        if index in config["attn_layer_idx"]:
            self.mixer = space.MHA(d, layer_idx=index, **config["attn_cfg"])
        elif "layer" in config["ssm_cfg"]:
            self.mixer = space.Mamba2(d, use_mem_eff_path=False, chunk_size=mamba2_ssm.CHUNK, **ssm)
        else:
            self.mixer = space.Mamba(d, use_fast_path=False, **ssm)
        self.mlp = space.GatedMLP(d, hidden_features=config["d_intermediate"], out_features=d)

    def forward(self, x):
        x = x + self.mixer(self.norm(x)[None])[0]
        return x + self.mlp(self.norm2(x))


class LanguageModel(nn.Module):
    def __init__(self, space, config: dict):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.embedding = nn.Embedding(32, config["d_model"])
        self.backbone.layers = nn.ModuleList(Layer(space, config, i) for i in range(config["n_layer"]))
        self.backbone.norm_f = RmsNorm(config["d_model"], 1e-5)

    def forward(self, tokens):
        x = self.backbone.embedding(tokens)
        for layer in self.backbone.layers:
            x = layer(x)
        return self.backbone.norm_f(x) @ self.backbone.embedding.weight.T


def attention_row(q, k, scale):
    """The last token's weights, [H, T]."""
    scale = scale or 1 / math.sqrt(q.shape[-1])
    return torch.softmax(scale * torch.einsum("hd,htd->ht", q[0, :, -1], k[0]), -1)


def write(name: str, config: dict, space, scan, scan_rows, seed: int, source: str) -> None:
    model = LanguageModel(space, config)
    parameters = double_parameters(model, seed, [(r"A_log$", "uniform", -2.0, 0.7)])

    def rows(tokens):
        found = []
        original = F.scaled_dot_product_attention

        def attention(q, k, v, is_causal, scale):
            assert is_causal
            found.append(attention_row(q.detach(), k.detach(), scale))
            return original(q, k, v, is_causal=True, scale=scale)

        scan.calls.clear()
        F.scaled_dot_product_attention = attention
        try:
            model(tokens)
        finally:
            F.scaled_dot_product_attention = original
        scans = scan_rows()
        for index in config["attn_layer_idx"]:
            scans.insert(index, found.pop(0))
        return scans

    write_case(name, config, parameters, model, rows, seed=seed, vocab=29, modules=[space],
               reference=f"state-spaces/mamba {source}, {', '.join(mamba2_ssm.CODE)}; rotary embedding ours")


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ref", required=True)
    parser.add_argument("--commit", help="of --ref, where the folder is an export without .git")
    parser.add_argument("--seed", type=int, default=204)
    parser.add_argument("--seed1", type=int, default=205, help="of the model with Mamba layers")
    parser.add_argument("--only", choices=["mamba2-attn", "mamba-attn"])
    args = parser.parse_args()
    scan, element = mamba2_ssm.Scan(), ElementScan()
    space = mamba2_ssm.public_code(args.ref, scan)
    space.RotaryEmbedding, space.selective_scan_fn, element.space = Rotary, element, space
    source = args.commit or checkout_commit(args.ref)
    if args.only != "mamba-attn":
        heads = lambda: [head_rows(lambda v: scan.core(v[None], *fixed)[0], x[0]) for x, *fixed in scan.calls]
        write("mamba2-attn", CONFIG, space, scan, heads, args.seed, source)
    if args.only != "mamba2-attn":
        write("mamba-attn", MAMBA1, space, element, element.rows, args.seed1, source)


if __name__ == "__main__":
    main()
