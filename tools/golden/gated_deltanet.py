"""Tiny random Gated DeltaNet and KDA models with flash-linear-attention's naive recurrences:
tests/golden/arch/gated_deltanet*.safetensors and kda*.safetensors."""

import torch.nn.functional as F
from torch import nn
import torch

from fla_common import RmsNorm, ShortConvolution, arguments, base_config, heads, l2norm, naive_ops, reference, write_model


class Attention(nn.Module):
    def __init__(self, config, naive):
        super().__init__()
        d, self.h, self.hv, k = config["hidden_size"], config["num_heads"], config["num_v_heads"], config["head_dim"]
        self.kda, self.naive, self.factor = config["model_type"] == "kda", naive, 2.0 if config["allow_neg_eigval"] else 1.0
        v = int(k * config["expand_v"])
        self.q_proj = nn.Linear(d, self.h * k, bias=False)
        self.k_proj = nn.Linear(d, self.h * k, bias=False)
        self.v_proj = nn.Linear(d, self.hv * v, bias=False)
        self.b_proj = nn.Linear(d, self.hv, bias=False)
        self.A_log = nn.Parameter(torch.zeros(self.hv))
        self.dt_bias = nn.Parameter(torch.zeros(self.hv * k if self.kda else self.hv))
        if self.kda:
            self.f_proj = nn.Sequential(nn.Linear(d, v, bias=False), nn.Linear(v, self.hv * k, bias=False))
            self.g_proj = nn.Sequential(nn.Linear(d, v, bias=False), nn.Linear(v, self.hv * v))
        else:
            self.a_proj = nn.Linear(d, self.hv, bias=False)
            self.g_proj = nn.Linear(d, self.hv * v, bias=False)
        bias = config["conv_bias"]
        self.q_conv1d, self.k_conv1d = (ShortConvolution(self.h * k, 4, bias) for _ in range(2))
        self.v_conv1d = ShortConvolution(self.hv * v, 4, bias)
        self.o_norm = RmsNorm(v, config["norm_eps"])
        self.o_proj = nn.Linear(self.hv * v, d, bias=False)

    def delta(self, q, k, v, g, beta):
        if self.kda:
            return self.naive.naive_recurrent_kda(q, k, v, g, beta)[0][0]
        repeat = self.hv // self.h
        q, k = (t.repeat_interleave(repeat, 2) for t in (q, k))
        return self.naive.naive_recurrent_gated_delta_rule(q, k, v, beta, g)[0][0]

    def forward(self, x):
        q, k = (l2norm(heads(conv(p(x)), self.h)) for p, conv in ((self.q_proj, self.q_conv1d), (self.k_proj, self.k_conv1d)))
        v = heads(self.v_conv1d(self.v_proj(x)), self.hv)
        beta = (self.b_proj(x).sigmoid() * self.factor)[None]
        step = F.softplus((self.f_proj if self.kda else self.a_proj)(x) + self.dt_bias)
        g = -self.A_log.exp()[:, None] * heads(step, self.hv)[0] if self.kda else -self.A_log.exp() * step
        fixed = [t.detach() for t in (q, k, g[None], beta)]
        self.last = (lambda values: self.delta(fixed[0], fixed[1], values[None], *fixed[2:]), v[0])
        gate = heads(self.g_proj(x), self.hv)[0]
        o = self.o_norm(self.delta(q, k, v, g[None], beta)) * (gate.sigmoid() if self.kda else F.silu(gate))
        return self.o_proj(o.flatten(1))


def main() -> None:
    args = arguments()
    base = dict(head_dim=6, allow_neg_eigval=False, conv_bias=False, use_gate=True, use_short_conv=True, conv_size=4)
    cases = {
        "gated_deltanet": (65, "gated_delta_rule", dict(base, num_heads=2, num_v_heads=2, expand_v=2.0)),
        "gated_deltanet-groups": (214, "gated_delta_rule", dict(base, num_heads=2, num_v_heads=4, expand_v=1.5, allow_neg_eigval=True, conv_bias=True)),
        "kda": (69, "kda", dict(base, num_heads=2, num_v_heads=2, expand_v=1.0)),
        "kda-groups": (60, "kda", dict(base, num_heads=1, num_v_heads=2, expand_v=1.5, allow_neg_eigval=True, tie_word_embeddings=True)),
    }
    for name, (seed, op, settings) in cases.items():
        naive = naive_ops(args.ref, op)
        config = base_config(name.split("-")[0], **settings)
        rules = [("A_log", "uniform", -2.0, 1.0)]
        write_model(name, config, lambda c, _: Attention(c, naive), naive, seed, reference(args, op), rules)


if __name__ == "__main__":
    main()
