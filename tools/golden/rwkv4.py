"""Tiny random RWKV-4 model under BlinkDL's names: RWKV-LM's layers on the recurrence of transformers, rwkv4-lm.safetensors."""

import os
from pathlib import Path

import torch
import transformers
from transformers.models.rwkv import modeling_rwkv

from arch_common import channel_rows
from rwkv_common import Model, arguments, base_config, layer_args, public_code, reference, write_model

FILE = "RWKV-v4neo/src/model.py"


class ChannelOp:
    def __init__(self):
        self.calls = []

    def __call__(self, _batch, _time, _channels, decay, first, k, v):
        self.calls.append((decay.detach(), first.detach(), k.detach(), v.detach()))
        return modeling_rwkv.rwkv_linear_attention_cpu(decay, first, k, v)[0]

    def rows(self):
        wkv = modeling_rwkv.rwkv_linear_attention_cpu
        return [channel_rows(lambda x: wkv(w, u, k, x[None])[0][0], v[0]) for w, u, k, v in self.calls]


def main() -> None:
    torch.set_num_threads(1)
    args = arguments()
    os.environ["RWKV_MY_TESTING"] = ""
    config, op = base_config("rwkv4", attention_hidden_size=12), ChannelOp()
    public, settings = public_code(Path(args.ref) / FILE, ["RWKV_TimeMix", "RWKV_ChannelMix"], RUN_CUDA=op), layer_args(config)
    settings.dim_att = config["attention_hidden_size"]
    model = Model(config, lambda layer: public.RWKV_TimeMix(settings, layer), lambda layer: public.RWKV_ChannelMix(settings, layer))
    source = reference(args, FILE, f"transformers {transformers.__version__} rwkv_linear_attention_cpu")
    write_model("rwkv4-lm", config, model, op, 53, source, [modeling_rwkv])


if __name__ == "__main__":
    main()
