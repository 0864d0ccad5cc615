"""Tiny random Mamba and FalconMamba models of Hugging Face transformers: tests/golden/arch/{mamba,falcon_mamba}*.safetensors.

mamba.py beside this writes whole model directories with the carried states of the same families.
"""

import torch
import transformers
from transformers import FalconMambaConfig, FalconMambaForCausalLM, MambaConfig, MambaForCausalLM
from transformers.models.falcon_mamba import modeling_falcon_mamba
from transformers.models.mamba import modeling_mamba

from arch_common import Capture, channel_rows, double_parameters, hf_config, hf_forward, write_case

BASE = dict(vocab_size=31, hidden_size=12, num_hidden_layers=2, state_size=5, time_step_rank=3)
MAMBA = (MambaConfig, MambaForCausalLM, modeling_mamba)
FALCON = (FalconMambaConfig, FalconMambaForCausalLM, modeling_falcon_mamba)
CASES = {
    "mamba": (41, *MAMBA, dict(BASE)),
    "mamba-bias": (42, *MAMBA, dict(BASE, use_bias=True, use_conv_bias=False, tie_word_embeddings=False, conv_kernel=3)),
    "mamba-gelu": (43, *MAMBA, dict(BASE, hidden_act="gelu_pytorch_tanh")),
    "falcon_mamba": (55, *FALCON, dict(BASE, tie_word_embeddings=False, mixer_rms_eps=0.05)),
}


def scan_rows(modelling, call: dict) -> torch.Tensor:
    """Rows of mamba_selective_scan: everything but the values as they were, no D, no gate."""
    fixed = {k: v for k, v in call.items() if k not in ("hidden_states", "D", "z", "kwargs")}
    return channel_rows(lambda x: modelling.mamba_selective_scan(x.T[None], **fixed)[0].T, call["hidden_states"][0].T)


def main() -> None:
    torch.set_num_threads(1)
    for name, (seed, config_class, model_class, modelling, settings) in CASES.items():
        model = model_class(config_class(**settings)).eval()
        parameters = double_parameters(model, seed)
        forward = hf_forward(model)

        def rows(tokens):
            with Capture(modelling, "mamba_selective_scan") as capture:
                forward(tokens)
            return [scan_rows(modelling, call) for call in capture.calls]

        write_case(name, hf_config(model.config), parameters, forward, rows, seed=seed, vocab=settings["vocab_size"],
                   reference=f"transformers {transformers.__version__} {model_class.__name__}", modules=[modelling])


if __name__ == "__main__":
    main()
