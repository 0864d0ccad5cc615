"""Tiny random HGRN2 models with flash-linear-attention's naive recurrence: tests/golden/arch/hgrn2.safetensors."""

import torch
import torch.nn.functional as F
from torch import nn

from fla_common import Model, RmsNorm, arguments, base_config, heads, naive_ops, reference
from arch_common import double_parameters, head_rows, write_case


class Attention(nn.Module):
    def __init__(self, config, layer, naive, bounds):
        super().__init__()
        d, self.layer, self.naive, self.bounds = config["hidden_size"], layer, naive, bounds
        self.h = d // config["expand_ratio"]
        self.q_proj = nn.Linear(d, d, bias=False)
        self.f_proj = nn.Linear(d, d, bias=False)
        self.i_proj = nn.Linear(d, d, bias=False)
        self.g_norm = RmsNorm(d, config["norm_eps"])
        self.o_proj = nn.Linear(d, d, bias=False)

    def forward(self, x):
        g = F.logsigmoid(self.f_proj(x))
        if self.layer > 0:
            share = self.bounds[0].softmax(0)
            bound = (share.cumsum(0) - share[0])[self.layer]
            g = torch.logaddexp(bound.log(), torch.log1p(-bound) + g)
        q, k, g, v = (heads(t, self.h) for t in (F.silu(self.q_proj(x)), 1 - g.exp(), g, self.i_proj(x)))
        fixed = (q.detach(), k.detach(), g.detach())
        self.last = (lambda values: self.naive.naive_recurrent_gla(fixed[0], fixed[1], values[None], fixed[2])[0][0], v[0])
        y = self.naive.naive_recurrent_gla(q, k, v, g)[0][0]
        return self.o_proj(self.g_norm(y.flatten(1)))


def main() -> None:
    args = arguments()
    naive = naive_ops(args.ref, "gla")
    config = base_config("hgrn2", expand_ratio=8, num_hidden_layers=3, use_lower_bound=True)
    bounds = []
    model = Model(config, lambda c, layer: Attention(c, layer, naive, bounds))
    model.model.lower_bounds = nn.Parameter(torch.zeros(config["num_hidden_layers"], config["hidden_size"]))
    bounds.append(model.model.lower_bounds)
    parameters = double_parameters(model, 47, [("lower_bounds", "normal", 0.0, 0.7)])
    bounds[0] = parameters["model.lower_bounds"]

    def rows(tokens):
        model(tokens)
        return [head_rows(*layer.attn.last) for layer in model.model.layers]

    write_case("hgrn2", config, parameters, model, rows, seed=47, vocab=config["vocab_size"], reference=reference(args, "gla"), modules=[naive])


if __name__ == "__main__":
    main()
