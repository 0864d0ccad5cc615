"""Tiny random DeltaNet models of flash-linear-attention itself: tests/golden/arch/delta_net*.safetensors."""

import public_triton

args = public_triton.arguments(__doc__)

from fla.layers import delta_net  # noqa: E402
from fla.models import DeltaNetConfig, DeltaNetForCausalLM  # noqa: E402
from fla_models import BASE, Family, write_public  # noqa: E402


def main() -> None:
    # Its chunk kernels refuse single precision, which is what double is to them here.
    family = Family(delta_net, ("fused_recurrent_delta_rule",), kernels="recurrent kernels")
    base = dict(num_heads=2, expand_k=1.0, attn_mode="fused_recurrent")
    cases = {
        "delta_net": dict(expand_v=1.0, conv_size=4),
        "delta_net-gate": dict(expand_v=1.5, use_gate=True, allow_neg_eigval=True, conv_size=3, tie_word_embeddings=True),
    }
    for name, settings in cases.items():
        write_public(name, DeltaNetForCausalLM, DeltaNetConfig(**{**BASE, **base, **settings}), family, args.commit)


if __name__ == "__main__":
    main()
