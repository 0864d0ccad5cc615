"""Published initial values of RWKV-4 to 7 that are not random: tests/golden/rwkv_init.safetensors, "<architecture>/<parameter>".

RWKV-LM's training classes as they construct themselves; ln_x and the matrices that start at zero as generate_init_weight sets them.
"""

import os
from pathlib import Path

import torch
from torch import nn

from common import GOLDEN_DIR, write_tensors
from rwkv_common import arguments, layer_args, public_code, reference

LAYERS = 3
SIZES = dict(hidden_size=64, num_hidden_layers=LAYERS, intermediate_size=96, vocab_size=80, head_size=16)
FILES = {
    "rwkv4": ("RWKV-v4neo/src/model.py", "RWKV_TimeMix", "RWKV_ChannelMix"),
    "rwkv5": ("RWKV-v5/src/model.py", "RWKV_Tmix_x052", "RWKV_CMix_x052"),
    "rwkv6": ("RWKV-v5/src/model.py", "RWKV_Tmix_x060", "RWKV_CMix_x060"),
    "rwkv7": ("RWKV-v7/train_temp/src/model.py", "RWKV_Tmix_x070", "RWKV_CMix_x070"),
}
RANDOM = ("time_maa_w2", "time_decay_w2", ".w2", ".a2", ".v2", ".g2")


def fixed(layer: int, name: str, value: torch.Tensor) -> torch.Tensor | None:
    if name.endswith("ln_x.weight"):
        return torch.full_like(value, ((1 + layer) / LAYERS) ** 0.7)
    skipped = name.endswith(RANDOM) or name.endswith(".weight") or value.numel() > SIZES["hidden_size"]  # low-rank factors of zeros
    return None if skipped else value


def main() -> None:
    args = arguments()
    os.environ["RWKV_MY_TESTING"] = ""
    tensors = {}
    for kind, (file, time_mix, channel_mix) in FILES.items():
        settings = layer_args(SIZES, head_size_divisor=8)
        public = public_code(Path(args.ref) / file, [time_mix, channel_mix], HEAD_SIZE=SIZES["head_size"])
        public.space["torch"] = torch  # the initial values are computed in float32 there
        for layer in range(LAYERS):
            parts = {"att": getattr(public, time_mix)(settings, layer), "ffn": getattr(public, channel_mix)(settings, layer)}
            for name, p in nn.ModuleDict(parts).named_parameters():
                value = fixed(layer, name, p.detach())
                unread = kind == "rwkv7" and layer == 0 and name in ("att.v0", "att.v1", "att.v2")
                if value is not None and not unread:
                    tensors[f"{kind}/blocks.{layer}.{name}"] = value
    write_tensors(GOLDEN_DIR / "rwkv_init.safetensors", tensors, dict(sizes=SIZES, reference=reference(args), torch=torch.__version__))


if __name__ == "__main__":
    main()
