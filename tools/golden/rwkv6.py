"""Tiny random RWKV-6 model: RWKV-LM's layers on flash-linear-attention's naive recurrence, tests/golden/arch/rwkv6.safetensors."""

from pathlib import Path

import torch
from torch import nn

from rwkv_common import (HeadOp, Model, arguments, base_config, by_head, layer_args, naive_rwkv6, other_commit, public_code, reference,
                         write_model)

FILE = "RWKV-v5/src/model.py"


def low_rank(att: nn.Module, size: int, mix: int, decay: int) -> nn.Module:
    """The classes fix their ranks at 32 and 64; nothing in their forward pass depends on it."""
    att.time_maa_w1, att.time_maa_w2 = nn.Parameter(torch.empty(size, 5 * mix)), nn.Parameter(torch.empty(5, mix, size))
    att.time_decay_w1, att.time_decay_w2 = nn.Parameter(torch.empty(size, decay)), nn.Parameter(torch.empty(decay, size))
    return att


def main() -> None:
    torch.set_num_threads(1)
    args = arguments("fla")
    naive = naive_rwkv6(args.fla)
    config = base_config("rwkv6", num_hidden_layers=2, head_size=8, head_size_divisor=20, mix_lora=3, decay_lora=5)
    size, heads = config["hidden_size"], config["hidden_size"] // config["head_size"]
    op = HeadOp(lambda v, r, k, w, u: naive.naive_recurrent_rwkv6(r, k, v, -torch.exp(w), u, scale=1.0)[0])

    def wkv(r, k, v, w, u):
        return op(by_head(v, heads), by_head(r, heads), by_head(k, heads), by_head(w, heads), u).transpose(1, 2).reshape(r.shape)

    public = public_code(Path(args.ref) / FILE, ["RWKV_Tmix_x060", "RWKV_CMix_x060"], RUN_CUDA_RWKV6=wkv)
    settings = layer_args(config, head_size_divisor=20)
    model = Model(config, lambda layer: low_rank(public.RWKV_Tmix_x060(settings, layer), size, 3, 5),
                  lambda layer: public.RWKV_CMix_x060(settings, layer))
    source = reference(args, FILE, f"flash-linear-attention {other_commit(args, 'fla')}, fla/ops/rwkv6/recurrent_naive.py")
    write_model("rwkv6", config, model, op, 77, source, [naive])


if __name__ == "__main__":
    main()
