"""Tiny random RWKV models whose texts start from tuned states, blocks.N.att.time_state [H, V, K]: rwkv{5,6,7}-state.safetensors.

RWKV-LM's layers on flash-linear-attention's naive recurrences, which take a start [H, K, V]: turned for them as RWKV-PEFT's wrappers do.
"""

import importlib.util
from pathlib import Path

import torch
from torch import nn

from arch_common import head_rows
from rwkv6 import low_rank
from rwkv_common import (HeadOp, Model, RULES, arguments, base_config, by_head, layer_args, naive_rwkv6, other_commit, public_code,
                         reference, write_model)

RULES.insert(0, (r"time_state$", "normal", 0.0, 0.7))
EAGLE, GOOSE = "RWKV-v5/src/model.py", "RWKV-v7/rwkv_v7_demo.py"
NAIVE = {5: "fla/ops/rwkv6/recurrent_naive.py", 7: "fla/ops/generalized_delta_rule/dplr/naive.py"}


class StartedOp(HeadOp):
    """The output less what the start makes of it is linear in the values."""

    def rows(self):
        def of_values(x, fixed):  # x [T, H, V]
            y = self.op(x.transpose(0, 1)[None], *fixed) - self.op(torch.zeros_like(x).transpose(0, 1)[None], *fixed)
            return y[0].transpose(0, 1)

        return [head_rows(lambda x: of_values(x, fixed), v[0].transpose(0, 1)) for v, fixed in self.calls]


def started(att: nn.Module, heads: int, size: int, starts: list) -> nn.Module:
    """A time mix with its start as a parameter, which the recurrence finds at the end of `starts`."""
    att.time_state = nn.Parameter(torch.zeros(heads, size, size))
    att.register_forward_pre_hook(lambda module, _: starts.append(module.time_state))
    return att


def turned(state: torch.Tensor) -> torch.Tensor:
    return state.transpose(1, 2)[None]


def eagle(args, naive) -> None:
    config = base_config("rwkv5", head_size=8, num_hidden_layers=2, head_size_divisor=20, version="5.2")
    starts, heads = [], config["hidden_size"] // config["head_size"]
    op = StartedOp(lambda v, r, k, w, u, s: naive.naive_recurrent_rwkv6(r, k, v, w[None, :, None].expand(v.shape), u, 1.0, turned(s))[0])

    def wkv(B, T, C, H, r, k, v, w, u):
        return op(by_head(v, H), by_head(r, H), by_head(k, H), -torch.exp(w), u, starts.pop()).transpose(1, 2).reshape(r.shape)

    public = public_code(Path(args.ref) / EAGLE, ["RWKV_Tmix_x052", "RWKV_CMix_x052"], RUN_CUDA_RWKV5=wkv, HEAD_SIZE=8)
    settings = layer_args(config, head_size_divisor=20)
    model = Model(config, lambda l: started(public.RWKV_Tmix_x052(settings, l), heads, 8, starts), lambda l: public.RWKV_CMix_x052(settings, l))
    write_model("rwkv5-state", dict(config, time_state=True), model, op, 90, source_of(args, EAGLE, 5), [naive])


def finch(args, naive) -> None:
    config = base_config("rwkv6", num_hidden_layers=2, head_size=8, head_size_divisor=20, mix_lora=3, decay_lora=5)
    op = StartedOp(lambda v, r, k, w, u, s: naive.naive_recurrent_rwkv6(r, k, v, -torch.exp(w), u, 1.0, turned(s))[0])

    def wkv(B, T, C, H, r, k, v, w, u, s):
        return op(by_head(v, H), by_head(r, H), by_head(k, H), by_head(w, H), u, s).transpose(1, 2).reshape(r.shape)

    public = public_code(Path(args.ref) / EAGLE, ["RWKV_Tmix_x060_state", "RWKV_CMix_x060"], RUN_CUDA_RWKV6_STATE=wkv)
    settings = layer_args(config, head_size_divisor=20)
    model = Model(config, lambda l: low_rank(public.RWKV_Tmix_x060_state(settings, l), config["hidden_size"], 3, 5),
                  lambda l: public.RWKV_CMix_x060(settings, l))
    write_model("rwkv6-state", dict(config, time_state=True), model, op, 98, source_of(args, EAGLE, 5), [naive])


def goose(args, naive) -> None:
    config = base_config("rwkv7", num_hidden_layers=2, head_size=8, decay_lora=5, a_lora=4, v_lora=3, gate_lora=6)
    starts, heads = [], config["hidden_size"] // config["head_size"]
    op = StartedOp(lambda v, r, w, k, a, b, s: naive.dplr_recurrence(r * r.shape[-1] ** 0.5, k, v, a, b, -torch.exp(w), turned(s))[0])

    def wkv(r, w, k, v, a, b):
        return op(*(by_head(x, heads) for x in (v, r, w, k, a, b)), starts.pop()).transpose(1, 2).reshape(r.shape)

    ranks = dict(D_DECAY_LORA=5, D_AAA_LORA=4, D_MV_LORA=3, D_GATE_LORA=6)
    public = public_code(Path(args.ref) / GOOSE, ["RWKV_Tmix_x070", "RWKV_CMix_x070"], DTYPE=None, HEAD_SIZE=8, RWKV7_OP=wkv, **ranks)
    settings = layer_args(config)

    def time_mix(layer):
        att = started(public.RWKV_Tmix_x070(settings, layer), heads, 8, starts)
        if layer == 0:
            del att.v0, att.v1, att.v2  # never read
        return att

    model = Model(config, time_mix, lambda l: public.RWKV_CMix_x070(settings, l), values=True)
    write_model("rwkv7-state", dict(config, time_state=True), model, op, 93, source_of(args, GOOSE, 7), [naive])


def source_of(args, file: str, release: int) -> str:
    return reference(args, file, f"flash-linear-attention {other_commit(args, 'fla')}, {NAIVE[release]}")


def naive_dplr(folder: str):
    spec = importlib.util.spec_from_file_location("dplr_naive", Path(folder) / NAIVE[7])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    torch.set_num_threads(1)
    args = arguments("fla")
    naive = naive_rwkv6(args.fla)
    eagle(args, naive)
    finch(args, naive)
    goose(args, naive_dplr(args.fla))


if __name__ == "__main__":
    main()
