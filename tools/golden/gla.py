"""Tiny random GLA models with flash-linear-attention's naive recurrence: tests/golden/arch/gla.safetensors."""

import torch.nn.functional as F
from torch import nn

from fla_common import RmsNorm, arguments, base_config, heads, naive_ops, reference, write_model


class Attention(nn.Module):
    def __init__(self, config, naive):
        super().__init__()
        d, self.h, self.kv = config["hidden_size"], config["num_heads"], config["num_kv_heads"]
        k, v = int(d * config["expand_k"]) // self.h, int(d * config["expand_v"]) // self.h
        self.naive, self.normalizer = naive, config["gate_logit_normalizer"]
        self.q_proj = nn.Linear(d, self.h * k, bias=False)
        self.k_proj = nn.Linear(d, self.kv * k, bias=False)
        self.v_proj = nn.Linear(d, self.kv * v, bias=False)
        self.g_proj = nn.Linear(d, self.h * v, bias=False)
        self.gk_proj = nn.Sequential(nn.Linear(d, config["gate_low_rank_dim"], bias=False), nn.Linear(config["gate_low_rank_dim"], self.kv * k))
        self.g_norm_swish_gate = RmsNorm(v, config["norm_eps"])
        self.o_proj = nn.Linear(self.h * v, d, bias=False)

    def forward(self, x):
        repeat = self.h // self.kv
        k, v, gk = (heads(p(x), self.kv).repeat_interleave(repeat, 2) for p in (self.k_proj, self.v_proj, self.gk_proj))
        q, g = heads(self.q_proj(x), self.h), F.logsigmoid(gk) / self.normalizer
        fixed = (q.detach(), k.detach(), g.detach())
        self.last = (lambda values: self.naive.naive_recurrent_gla(fixed[0], fixed[1], values[None], fixed[2])[0][0], v[0])
        y = self.naive.naive_recurrent_gla(q, k, v, g)[0][0]
        o = self.g_norm_swish_gate(y) * F.silu(heads(self.g_proj(x), self.h)[0])
        return self.o_proj(o.flatten(1))


def main() -> None:
    args = arguments()
    naive = naive_ops(args.ref, "gla")
    config = base_config("gla", num_heads=2, num_kv_heads=1, expand_k=1.0, expand_v=2.0, gate_low_rank_dim=3, gate_logit_normalizer=4)
    write_model("gla", config, lambda c, _: Attention(c, naive), naive, 79, reference(args, "gla"))


if __name__ == "__main__":
    main()
