"""Tiny random Gated DeltaProduct models of flash-linear-attention itself: tests/golden/arch/gated_deltaproduct*.safetensors.

Its chunk kernels refuse single precision, which is what double is to them here, and its recurrent kernels have no backward pass. So
its own plain reference of the recurrence stands in for them; that the recurrent kernels give the same logits is checked.
"""

import public_triton

args = public_triton.arguments(__doc__)

import torch  # noqa: E402
from fla.layers import gated_deltaproduct  # noqa: E402
from fla.models import GatedDeltaProductConfig, GatedDeltaProductForCausalLM  # noqa: E402
from fla.ops.gated_delta_product.naive import naive_recurrent_gated_delta_product  # noqa: E402
from fla_models import BASE, SEED, Family, write_public  # noqa: E402
from arch_common import double_parameters  # noqa: E402

RULES = [("A_log", "uniform", -2.0, 1.0)]


def unit(x: torch.Tensor) -> torch.Tensor:
    """l2norm of the kernels."""
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-6)


def reference(q, k, v, g, beta, num_householder, initial_state=None, output_final_state=False, cu_seqlens=None, use_qk_l2norm_in_kernel=False):
    assert use_qk_l2norm_in_kernel and initial_state is None and cu_seqlens is None
    scale = k.shape[-1] ** -0.5  # of the kernels; the reference has none of its own
    return naive_recurrent_gated_delta_product(unit(q) * scale, unit(k), v, g, beta, scale, None, num_householder=num_householder)


def check_kernels(config, tokens: torch.Tensor) -> None:
    """Up to 64 tokens a model that is not in training runs the recurrent kernels."""
    with public_triton.in_double(), torch.no_grad():
        model = GatedDeltaProductForCausalLM(config).train()
        double_parameters(model, SEED, RULES)
        plain, kernels = (model.train(mode)(tokens.view(1, -1), use_cache=False).logits[0] for mode in (True, False))
    assert torch.allclose(plain, kernels, rtol=1e-10, atol=1e-12), "the recurrent kernels differ from the plain reference"


def main() -> None:
    gated_deltaproduct.chunk_gated_delta_product = reference
    base = dict(num_heads=2, head_dim=6)
    cases = {
        "gated_deltaproduct": dict(num_householder=2, use_forget_gate=True, allow_neg_eigval=True, expand_v=1.5),
        "gated_deltaproduct-plain": dict(num_householder=3, expand_v=1.0, use_output_gate=False, conv_size=3, tie_word_embeddings=True),
    }
    for name, settings in cases.items():
        config = GatedDeltaProductConfig(**{**BASE, **base, **settings})
        check_kernels(config, torch.arange(23) % BASE["vocab_size"])
        family = Family(gated_deltaproduct, ("chunk_gated_delta_product",), rules=RULES, train=True, writes=config.num_householder,
                        kernels="its plain recurrence, which its recurrent kernels agree with")
        write_public(name, GatedDeltaProductForCausalLM, config, family, args.commit)


if __name__ == "__main__":
    main()
