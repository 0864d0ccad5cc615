"""Tiny random RWKV-6 and RWKV-7 models of flash-linear-attention itself: tests/golden/arch/rwkv6-fla*.safetensors, rwkv7-fla.safetensors."""

import torch

import public_triton

args = public_triton.arguments(__doc__)

from fla.layers import rwkv6, rwkv7  # noqa: E402
from fla.models import RWKV6Config, RWKV6ForCausalLM, RWKV7Config, RWKV7ForCausalLM  # noqa: E402
from fla_models import BASE, TIGHT, Family, write_public  # noqa: E402

RULES = [
    (r"w_(proj\.linear|lora)\.lora\.2\.bias$", "uniform", -4.0, 1.0), (r"bonus$", "uniform", -1.0, 1.5),
    (r"(\.mu|x_bias|\.x_[rwkvag])$", "uniform", 0.1, 0.9), (r"k_[ka]$", "normal", 0.9, 0.3), (r"r_k$", "normal", 0.0, 0.6),
    (r"[av]_lora\.lora\.2\.bias$", "normal", 0.0, 0.7),
]


def head_norm_scale(norm, y: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """weight / std of a norm by heads, [T, channels]; y [T, H, V] is what it takes, given [T, channels] what it gave."""
    centred = y - y.mean(-1, keepdim=True)
    scale = norm.weight.detach().view(y.shape[1:]) * torch.rsqrt(y.var(-1, keepdim=True, correction=0) + norm.eps)
    bias = norm.bias.detach().view(y.shape[1:])
    assert torch.allclose((centred * scale + bias).flatten(1), given, **TIGHT[y.dtype]), "the norm is not this one"
    return scale.flatten(1)


def factor6(attn, trace, m):
    """Norm's scale times gate; the gate is what o_proj read over what the norm gave."""
    seen = trace.seen[m]
    normed = seen["g_norm"][1].detach().reshape(len(trace.results[m]), -1)
    gate = seen["o_proj"][0][0][0].detach() / normed
    return head_norm_scale(attn.g_norm, trace.results[m], normed) * gate


def factor7(attn, trace, m):
    """Norm's scale times gate; the token's own value, added between the two, is no part of the map."""
    seen = trace.seen[m]
    normed = seen["g_norm"][1].detach().reshape(len(trace.results[m]), -1)
    return head_norm_scale(attn.g_norm, trace.results[m], normed) * seen["g_lora"][1][0].detach()


def main() -> None:
    ranks7 = dict(head_dim=8, decay_low_rank_dim=5, a_low_rank_dim=4, v_low_rank_dim=3, gate_low_rank_dim=6)
    six = Family(rwkv6, ("fused_recurrent_rwkv6", "chunk_rwkv6"), conv="", factor=factor6, rules=RULES)
    seven = Family(rwkv7, ("chunk_rwkv7",), conv="", factor=factor7, rules=RULES, train=True, kernels="chunk kernels")
    base6 = dict(num_heads=2, proj_low_rank_dim=3, gate_low_rank_dim=5)
    write_public("rwkv6-fla", RWKV6ForCausalLM, RWKV6Config(**{**BASE, **base6, "expand_k": 0.5, "norm_eps": 1e-3}), six, args.commit)
    write_public("rwkv6-fla-ffn", RWKV6ForCausalLM, RWKV6Config(**{**BASE, **base6, "expand_k": 1.0, "intermediate_size": None, "hidden_ratio": 2.1, "num_hidden_layers": 1}), six, args.commit)
    write_public("rwkv7-fla", RWKV7ForCausalLM, RWKV7Config(**{**BASE, **ranks7, "intermediate_size": None, "hidden_ratio": 2.1, "norm_eps": 1e-3}), seven, args.commit)


if __name__ == "__main__":
    main()
