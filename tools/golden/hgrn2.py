"""Tiny random HGRN2 models of flash-linear-attention itself: tests/golden/arch/hgrn2*.safetensors."""

import torch

import public_triton

args = public_triton.arguments(__doc__)

from fla.layers import hgrn2  # noqa: E402
from fla.models import HGRN2Config, HGRN2ForCausalLM  # noqa: E402
from fla_models import BASE, Family, write_public  # noqa: E402


def factor(attn, trace, m):
    """Norm and o_proj are one kernel here; o_proj is square, so that what it read is found from the layer's output."""
    z = torch.linalg.solve(attn.o_proj.weight.detach(), trace.seen[m]["mixer"][0].detach().T).T
    return z / trace.results[m].flatten(1)


def main() -> None:
    family = Family(hgrn2, ("fused_recurrent_gla", "chunk_gla"), source="i_proj", conv="i_conv1d", factor=factor,
                    rules=[("lower_bounds", "normal", 0.0, 0.7)])
    cases = {
        "hgrn2": dict(num_hidden_layers=3, norm_eps=1e-6),
        "hgrn2-conv": dict(use_short_conv=True, conv_size=3, use_lower_bound=False),
    }
    for name, settings in cases.items():
        write_public(name, HGRN2ForCausalLM, HGRN2Config(**{**BASE, "expand_ratio": 8, **settings}), family, args.commit)


if __name__ == "__main__":
    main()
