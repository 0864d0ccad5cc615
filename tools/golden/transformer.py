"""Tiny random GPT-NeoX, Llama and Qwen3 models of Hugging Face transformers: tests/golden/arch/{gpt_neox,llama,qwen3}*.safetensors."""

import torch
import transformers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM
from transformers.models.gpt_neox import modeling_gpt_neox
from transformers.models.llama import modeling_llama
from transformers.models.qwen3 import modeling_qwen3

from arch_common import Capture, double_parameters, exact_rope, hf_config, hf_forward, write_case

BASE = dict(vocab_size=31, hidden_size=16, num_hidden_layers=2, intermediate_size=28, max_position_embeddings=64, attn_implementation="eager")
NEOX = (GPTNeoXConfig, GPTNeoXForCausalLM, modeling_gpt_neox)
LLAMA = (LlamaConfig, LlamaForCausalLM, modeling_llama)
QWEN3 = (Qwen3Config, Qwen3ForCausalLM, modeling_qwen3)


def rope(theta: float, **more) -> dict:
    return dict(dict(rope_type="default", rope_theta=theta), **more)


CASES = {
    "gpt_neox": (71, *NEOX, dict(BASE, num_attention_heads=2, layer_norm_eps=1e-3, rope_parameters=rope(100.0, partial_rotary_factor=0.5))),
    "gpt_neox-serial": (72, *NEOX, dict(BASE, num_attention_heads=4, use_parallel_residual=False, attention_bias=False,
                                        rope_parameters=rope(1000.0, partial_rotary_factor=1.0))),
    "llama": (73, *LLAMA, dict(BASE, num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-3, rope_parameters=rope(100.0))),
    "llama-tied": (74, *LLAMA, dict(BASE, num_attention_heads=4, num_key_value_heads=1, head_dim=6, tie_word_embeddings=True,
                                    attention_bias=True, rope_parameters=rope(10000.0))),
    "qwen3": (75, *QWEN3, dict(BASE, num_attention_heads=4, num_key_value_heads=2, head_dim=6, rms_norm_eps=1e-2, rope_parameters=rope(1000.0))),
    "gpt_neox-linear": (76, *NEOX, dict(BASE, num_attention_heads=2, hidden_act="gelu_fast",
                                        rope_parameters=rope(100.0, partial_rotary_factor=0.5, rope_type="linear", factor=3.0))),
    "llama-llama3": (80, *LLAMA, dict(BASE, num_attention_heads=2, num_key_value_heads=1, head_dim=12, mlp_bias=True, hidden_act="gelu",
                                      rope_parameters=rope(500.0, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                                           original_max_position_embeddings=16))),
    "qwen3-window": (79, *QWEN3, dict(BASE, num_attention_heads=2, num_key_value_heads=1, head_dim=12, use_sliding_window=True,
                                      sliding_window=7, max_window_layers=1, hidden_act="gelu_pytorch_tanh",
                                      rope_parameters=rope(500.0, rope_type="yarn", factor=4.0, original_max_position_embeddings=16))),
}


def main() -> None:
    torch.set_num_threads(1)
    for name, (seed, config_class, model_class, modelling, settings) in CASES.items():
        model = model_class(config_class(**settings)).eval()
        parameters = double_parameters(model, seed)
        exact_rope(model, modelling)
        forward = hf_forward(model)

        def rows(tokens):
            with Capture(modelling, "eager_attention_forward") as attention:
                forward(tokens)
            return [weights[0, :, -1, :] for _, weights in attention.results]  # [H, T] each

        write_case(name, hf_config(model.config), parameters, forward, rows, seed=seed, vocab=settings["vocab_size"],
                   reference=f"transformers {transformers.__version__} {model_class.__name__}", modules=[modelling])


if __name__ == "__main__":
    main()
