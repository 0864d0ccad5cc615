"""Tiny random GLA models of flash-linear-attention itself: tests/golden/arch/gla*.safetensors."""

import public_triton

args = public_triton.arguments(__doc__)

from fla.layers import gla  # noqa: E402
from fla.models import GLAConfig, GLAForCausalLM  # noqa: E402
from fla_models import BASE, Family, write_public  # noqa: E402


def main() -> None:
    family = Family(gla, ("fused_recurrent_gla", "chunk_gla"))
    cases = {
        "gla": dict(expand_k=0.5, expand_v=1.0),
        "gla-groups": dict(num_kv_heads=1, expand_k=1.0, expand_v=2.0, tie_word_embeddings=True),
    }
    for name, settings in cases.items():
        config = GLAConfig(**{**BASE, "num_heads": 2, **settings})
        write_public(name, GLAForCausalLM, config, family, args.commit)


if __name__ == "__main__":
    main()
