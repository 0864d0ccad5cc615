"""Tiny random RWKV-5.2 and 5.1 models: RWKV-LM's layers on flash-linear-attention's naive recurrence, rwkv5*.safetensors."""

from pathlib import Path

import torch
from torch import nn

from rwkv_common import (HeadOp, Model, arguments, base_config, by_head, layer_args, naive_rwkv6, other_commit, public_code, reference,
                         write_model)

FILE = "RWKV-v5/src/model.py"


def one_per_head(base: type, wkv) -> type:
    """RWKV-5.1: a decay and a log weight of the current token per head, no gate; the rest as in 5.2."""

    class TimeMix(base):
        def __init__(self, settings, layer):
            super().__init__(settings, layer)
            self.time_decay, self.time_first = nn.Parameter(torch.empty(self.n_head)), nn.Parameter(torch.empty(self.n_head))
            del self.time_faaaa, self.time_mix_g, self.gate

        def forward(self, x):
            before, spread = self.time_shift(x), torch.ones(self.n_head, self.head_size, dtype=x.dtype)
            r, k, v = (p(x * m + before * (1 - m)) for p, m in ((self.receptance, self.time_mix_r), (self.key, self.time_mix_k),
                                                                (self.value, self.time_mix_v)))
            y = wkv(*x.shape, self.n_head, r, k, v, w=self.time_decay[:, None] * spread, u=torch.exp(self.time_first)[:, None] * spread)
            return self.output(self.ln_x(y[0] / self.head_size_divisor))[None]

    return TimeMix


def main() -> None:
    torch.set_num_threads(1)
    args = arguments("fla")
    naive = naive_rwkv6(args.fla)
    config = base_config("rwkv5", head_size=4)
    op = HeadOp(lambda v, r, k, w, u: naive.naive_recurrent_rwkv6(r, k, v, w[None, :, None].expand(v.shape), u, scale=1.0)[0])

    def wkv(B, T, C, H, r, k, v, w, u):
        return op(by_head(v, H), by_head(r, H), by_head(k, H), -torch.exp(w), u).transpose(1, 2).reshape(r.shape)

    public = public_code(Path(args.ref) / FILE, ["RWKV_Tmix_x052", "RWKV_CMix_x052"], RUN_CUDA_RWKV5=wkv, HEAD_SIZE=config["head_size"])
    source = reference(args, FILE, f"flash-linear-attention {other_commit(args, 'fla')}, fla/ops/rwkv6/recurrent_naive.py")
    per_head = one_per_head(public.RWKV_Tmix_x052, wkv)
    cases = (("rwkv5", 65, public.RWKV_Tmix_x052, 100, "5.2"), ("rwkv5-heads", 64, per_head, 300, "5.1"))
    for name, seed, time_mix, divisor, version in cases:
        config = base_config("rwkv5", head_size=4, num_hidden_layers=3 if version == "5.2" else 2)
        settings = layer_args(config, head_size_divisor=divisor)
        model = Model(config, lambda layer: time_mix(settings, layer), lambda layer: public.RWKV_CMix_x052(settings, layer))
        write_model(name, dict(config, head_size_divisor=divisor, version=version), model, op, seed, source, [naive])


if __name__ == "__main__":
    main()
