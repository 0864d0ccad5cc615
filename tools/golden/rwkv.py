"""Tiny random RWKV-4 model of Hugging Face transformers: tests/golden/arch/rwkv.safetensors."""

import torch
import transformers
from transformers import RwkvConfig, RwkvForCausalLM
from transformers.models.rwkv import modeling_rwkv

from arch_common import Capture, channel_rows, double_parameters, hf_config, hf_forward, write_case

SEED = 51
SETTINGS = dict(vocab_size=31, hidden_size=16, num_hidden_layers=3, intermediate_size=36, context_length=64, layer_norm_epsilon=1e-3)
RULES = [("time_decay$", "uniform", -2.0, 1.0), ("time_first$", "uniform", -1.0, 1.5), ("time_mix_", "uniform", 0.1, 0.9),
         (r"attention\.key\.weight$", "normal", 0.0, 0.5)]


def wkv_rows(call: dict) -> torch.Tensor:
    """Rows of the weighted mean: keys as they were, so the divisor is constant."""
    fixed = {k: call[k] for k in ("time_decay", "time_first", "key")}
    return channel_rows(lambda v: modeling_rwkv.rwkv_linear_attention_cpu(value=v[None], **fixed)[0][0], call["value"][0])


def main() -> None:
    torch.set_num_threads(1)
    model = RwkvForCausalLM(RwkvConfig(**SETTINGS)).eval()
    parameters = double_parameters(model, SEED, RULES)
    forward = hf_forward(model)

    def rows(tokens):
        with Capture(modeling_rwkv, "rwkv_linear_attention") as capture:
            forward(tokens)
        return [wkv_rows(call) for call in capture.calls]

    write_case("rwkv", hf_config(model.config), parameters, forward, rows, seed=SEED, vocab=SETTINGS["vocab_size"],
               reference=f"transformers {transformers.__version__} RwkvForCausalLM", modules=[modeling_rwkv])


if __name__ == "__main__":
    main()
