"""Tiny random Mamba-2 models of Hugging Face transformers: tests/golden/arch/mamba2*.safetensors."""

import torch
import transformers
from transformers import Mamba2Config, Mamba2ForCausalLM
from transformers.models.mamba2 import modeling_mamba2

from arch_common import Capture, double_parameters, head_rows, hf_config, hf_forward, write_case

BASE = dict(vocab_size=31, hidden_size=16, num_hidden_layers=2, state_size=6, num_heads=4, head_dim=8, chunk_size=8)
CASES = {
    "mamba2": (31, dict(BASE, n_groups=1, tie_word_embeddings=True)),
    "mamba2-groups": (32, dict(BASE, n_groups=2, time_step_limit=(0.05, 0.9), use_bias=True, use_conv_bias=False,
                               conv_kernel=3, layer_norm_epsilon=1e-2)),
    "mamba2-gelu": (33, dict(BASE, n_groups=1, hidden_act="gelu")),
}


def scan_rows(call: dict) -> torch.Tensor:
    """Rows of mamba2_chunk_scan: everything but the values as they were, no D."""
    fixed = {k: v for k, v in call.items() if k not in ("hidden_states", "D", "kwargs")}
    return head_rows(lambda v: modeling_mamba2.mamba2_chunk_scan(v[None], **fixed)[0], call["hidden_states"][0])


def main() -> None:
    torch.set_num_threads(1)
    for name, (seed, settings) in CASES.items():
        model = Mamba2ForCausalLM(Mamba2Config(**settings)).eval()
        parameters = double_parameters(model, seed)
        forward = hf_forward(model)

        def rows(tokens):
            with Capture(modeling_mamba2, "mamba2_chunk_scan") as capture:
                forward(tokens)
            return [scan_rows(call) for call in capture.calls]

        write_case(name, hf_config(model.config), parameters, forward, rows, seed=seed, vocab=settings["vocab_size"],
                   reference=f"transformers {transformers.__version__} Mamba2ForCausalLM", modules=[modeling_mamba2])


if __name__ == "__main__":
    main()
