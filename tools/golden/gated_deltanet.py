"""Tiny random Gated DeltaNet and KDA models of flash-linear-attention itself:
tests/golden/arch/gated_deltanet*.safetensors and kda*.safetensors."""

import public_triton

args = public_triton.arguments(__doc__)

from fla.layers import gated_deltanet, kda  # noqa: E402
from fla.models import GatedDeltaNetConfig, GatedDeltaNetForCausalLM, KDAConfig, KDAForCausalLM  # noqa: E402
from fla.models.gated_deltanet import modeling_gated_deltanet  # noqa: E402
from fla_models import BASE, Family, write_public  # noqa: E402

RULES = [("A_log", "uniform", -2.0, 1.0)]


class Biased(gated_deltanet.GatedDeltaNet):
    """The layer's own option, which its configuration does not hand on."""

    def __init__(self, **settings):
        super().__init__(conv_bias=True, **settings)


def main() -> None:
    # Their recurrent kernels have no backward pass; a model in training takes the chunk kernels for any length.
    shared = dict(rules=RULES, train=True, kernels="chunk kernels")
    families = {
        "gated_deltanet": (GatedDeltaNetForCausalLM, GatedDeltaNetConfig, Family(gated_deltanet, ("chunk_gated_delta_rule",), **shared)),
        "kda": (KDAForCausalLM, KDAConfig, Family(kda, ("chunk_kda",), **shared)),
    }
    cases = {
        "gated_deltanet": dict(num_heads=2, expand_v=2.0),
        "gated_deltanet-groups": dict(num_heads=2, num_v_heads=4, expand_v=1.5, allow_neg_eigval=True, conv_bias=True),
        "kda": dict(num_heads=2, expand_v=1.0),
        "kda-groups": dict(num_heads=1, num_v_heads=2, expand_v=1.5, allow_neg_eigval=True, tie_word_embeddings=True),
    }
    for name, settings in cases.items():
        model, config, family = families[name.split("-")[0]]
        modeling_gated_deltanet.GatedDeltaNet = Biased if settings.get("conv_bias") else gated_deltanet.GatedDeltaNet
        write_public(name, model, config(**{**BASE, "head_dim": 6, **settings}), family, args.commit)


if __name__ == "__main__":
    main()
