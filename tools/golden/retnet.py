"""Tiny random RetNet models of flash-linear-attention itself: tests/golden/arch/retnet.safetensors."""

import public_triton

args = public_triton.arguments(__doc__)

from fla.layers import multiscale_retention  # noqa: E402
from fla.models import RetNetConfig, RetNetForCausalLM  # noqa: E402
from fla_models import BASE, Family, write_public  # noqa: E402


def main() -> None:
    family = Family(multiscale_retention, ("fused_recurrent_retention", "chunk_retention"))
    config = RetNetConfig(**{**BASE, "num_heads": 2, "expand_k": 1.0, "expand_v": 1.5})
    write_public("retnet", RetNetForCausalLM, config, family, args.commit)


if __name__ == "__main__":
    main()
