"""Tiny random RWKV-7 model of RWKV-LM's plain torch demo: tests/golden/arch/rwkv7.safetensors."""

from pathlib import Path

import torch

from rwkv_common import HeadOp, Model, arguments, base_config, by_head, layer_args, public_code, reference, write_model

FILE = "RWKV-v7/rwkv_v7_demo.py"
RANKS = dict(decay_lora=5, a_lora=4, v_lora=3, gate_lora=6)


def main() -> None:
    torch.set_num_threads(1)
    args = arguments()
    config = base_config("rwkv7", head_size=8, **RANKS)
    ranks = dict(D_DECAY_LORA=5, D_AAA_LORA=4, D_MV_LORA=3, D_GATE_LORA=6)
    public = public_code(Path(args.ref) / FILE, ["RWKV7_OP", "RWKV_Tmix_x070", "RWKV_CMix_x070"], DTYPE=None,
                         HEAD_SIZE=config["head_size"], **ranks)
    plain, heads = public.RWKV7_OP, config["hidden_size"] // config["head_size"]

    def recurrence(v, r, w, k, a, b):
        return by_head(plain(r, w, k, v.transpose(1, 2).reshape(r.shape), a, b), heads)

    op = HeadOp(recurrence)
    public.space["RWKV7_OP"] = lambda r, w, k, v, a, b: op(by_head(v, heads), r, w, k, a, b).transpose(1, 2).reshape(r.shape)
    settings = layer_args(config)

    def time_mix(layer):
        att = public.RWKV_Tmix_x070(settings, layer)
        if layer == 0:
            del att.v0, att.v1, att.v2  # never read
        return att

    model = Model(config, time_mix, lambda layer: public.RWKV_CMix_x070(settings, layer), values=True)
    write_model("rwkv7", config, model, op, 62, reference(args, FILE))


if __name__ == "__main__":
    main()
