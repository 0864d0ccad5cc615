"""Tiny random RetNet models with flash-linear-attention's naive retention: tests/golden/arch/retnet.safetensors."""

import torch
import torch.nn.functional as F
from torch import nn

from fla_common import RmsNorm, arguments, base_config, heads, naive_ops, reference, write_model


def rotate(x: torch.Tensor) -> torch.Tensor:
    """Rotary embedding of [1, T, H, K], pairs (i, i + K/2), base 10000."""
    half = x.shape[-1] // 2
    angle = torch.arange(x.shape[1]).double()[:, None] * 10000.0 ** (-torch.arange(half).double() / half)
    cos, sin = angle.cos()[None, :, None], angle.sin()[None, :, None]
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class Retention(nn.Module):
    def __init__(self, config, naive):
        super().__init__()
        d, self.h, self.naive = config["hidden_size"], config["num_heads"], naive
        k, v = int(d * config["expand_k"]), int(d * config["expand_v"])
        self.q_proj = nn.Linear(d, k, bias=False)
        self.k_proj = nn.Linear(d, k, bias=False)
        self.v_proj = nn.Linear(d, v, bias=False)
        self.g_proj = nn.Linear(d, v, bias=False)
        self.g_norm_swish_gate = RmsNorm(v // self.h, config["norm_eps"])
        self.o_proj = nn.Linear(v, d, bias=False)

    def retain(self, q, k, v):
        return self.naive.naive_retention(*(t.transpose(1, 2) for t in (q, k, v)))[0].transpose(0, 1)

    def forward(self, x):
        q, k = (rotate(heads(p(x), self.h)) for p in (self.q_proj, self.k_proj))
        v = heads(self.v_proj(x), self.h)
        fixed = (q.detach(), k.detach())
        self.last = (lambda values: self.retain(*fixed, values[None]), v[0])
        o = self.g_norm_swish_gate(self.retain(q, k, v)) * F.silu(heads(self.g_proj(x), self.h)[0])
        return self.o_proj(o.flatten(1))


def main() -> None:
    args = arguments()
    naive = naive_ops(args.ref, "retention")
    config = base_config("retnet", num_heads=2, expand_k=1.0, expand_v=1.5)
    write_model("retnet", config, lambda c, _: Retention(c, naive), naive, 143, reference(args, "retention"))


if __name__ == "__main__":
    main()
