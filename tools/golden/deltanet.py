"""Tiny random DeltaNet models with flash-linear-attention's naive delta rule: tests/golden/arch/delta_net*.safetensors."""

import torch.nn.functional as F
from torch import nn

from fla_common import RmsNorm, ShortConvolution, arguments, base_config, heads, l2norm, naive_ops, reference, write_model


class Attention(nn.Module):
    def __init__(self, config, naive):
        super().__init__()
        d, self.h, self.naive = config["hidden_size"], config["num_heads"], naive
        self.factor, self.gated = 2.0 if config["allow_neg_eigval"] else 1.0, config["use_gate"]
        k, v, width = int(d * config["expand_k"]), int(d * config["expand_v"]), config["conv_size"]
        self.q_proj = nn.Linear(d, k, bias=False)
        self.k_proj = nn.Linear(d, k, bias=False)
        self.v_proj = nn.Linear(d, v, bias=False)
        self.b_proj = nn.Linear(d, self.h, bias=False)
        self.q_conv1d = ShortConvolution(k, width)
        self.k_conv1d = ShortConvolution(k, width)
        self.v_conv1d = ShortConvolution(v, width)
        if self.gated:
            self.g_proj = nn.Linear(d, v, bias=False)
        self.o_norm = RmsNorm(v // self.h, config["norm_eps"])
        self.o_proj = nn.Linear(v, d, bias=False)

    def delta(self, q, k, v, beta):
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        return self.naive.delta_rule_recurrence(q, k, v, beta.T[None])[0][0].transpose(0, 1)

    def forward(self, x):
        q, k = (l2norm(heads(conv(p(x)), self.h)) for p, conv in ((self.q_proj, self.q_conv1d), (self.k_proj, self.k_conv1d)))
        v = heads(self.v_conv1d(self.v_proj(x)), self.h)
        beta = self.b_proj(x).sigmoid() * self.factor
        fixed = (q.detach(), k.detach(), beta.detach())
        self.last = (lambda values: self.delta(fixed[0], fixed[1], values[None], fixed[2]), v[0])
        o = self.o_norm(self.delta(q, k, v, beta))
        if self.gated:
            o = o * F.silu(heads(self.g_proj(x), self.h)[0])
        return self.o_proj(o.flatten(1))


def main() -> None:
    args = arguments()
    naive = naive_ops(args.ref, "delta_rule")
    base = dict(num_heads=2, expand_k=1.0, conv_size=4, use_short_conv=True)
    cases = {
        "delta_net": (56, dict(base, expand_v=1.0, use_gate=False, allow_neg_eigval=False)),
        "delta_net-gate": (46, dict(base, expand_v=1.5, use_gate=True, allow_neg_eigval=True, conv_size=3, tie_word_embeddings=True)),
    }
    for name, (seed, settings) in cases.items():
        config = base_config("delta_net", **settings)
        write_model(name, config, lambda c, _: Attention(c, naive), naive, seed, reference(args, "delta_rule"))


if __name__ == "__main__":
    main()
