"""Tiny random RWKV-4 models of Hugging Face transformers: tests/golden/arch/{rwkv,rwkv4}.safetensors.

The second is written under the names of BlinkDL's own checkpoints, as transformers' conversion script maps them.
"""

import re

import torch
import transformers
from transformers import RwkvConfig, RwkvForCausalLM
from transformers.models.rwkv import modeling_rwkv

from arch_common import Capture, channel_rows, double_parameters, hf_config, hf_forward, write_case

BASE = dict(vocab_size=31, hidden_size=16, intermediate_size=36, context_length=64)
CASES = {"rwkv": (51, dict(BASE, num_hidden_layers=3, layer_norm_epsilon=1e-3)),
         "rwkv4": (52, dict(BASE, num_hidden_layers=2, attention_hidden_size=20))}
BLINKDL = [(r"^rwkv\.", ""), ("embeddings", "emb"), ("pre_ln", "ln0"), ("attention", "att"), ("feed_forward", "ffn"),
           ("time_mix_key", "time_mix_k"), ("time_mix_value", "time_mix_v"), ("time_mix_receptance", "time_mix_r")]
RULES = [("time_decay$", "uniform", -2.0, 1.0), ("time_first$", "uniform", -1.0, 1.5), ("time_mix_", "uniform", 0.1, 0.9),
         (r"attention\.key\.weight$", "normal", 0.0, 0.5)]


def wkv_rows(call: dict) -> torch.Tensor:
    """Rows of the weighted mean: keys as they were, so the divisor is constant."""
    fixed = {k: call[k] for k in ("time_decay", "time_first", "key")}
    return channel_rows(lambda v: modeling_rwkv.rwkv_linear_attention_cpu(value=v[None], **fixed)[0][0], call["value"][0])


def blinkdl_name(name: str) -> str:
    for pattern, short in BLINKDL:
        name = re.sub(pattern, short, name)
    return name


def main() -> None:
    torch.set_num_threads(1)
    for name, (seed, settings) in CASES.items():
        model = RwkvForCausalLM(RwkvConfig(**settings)).eval()
        parameters = double_parameters(model, seed, RULES)
        forward, config = hf_forward(model), hf_config(model.config)
        if name == "rwkv4":
            config["model_type"] = name
            parameters = {blinkdl_name(key): p for key, p in parameters.items()}

        def rows(tokens):
            with Capture(modeling_rwkv, "rwkv_linear_attention") as capture:
                forward(tokens)
            return [wkv_rows(call) for call in capture.calls]

        write_case(name, config, parameters, forward, rows, seed=seed, vocab=settings["vocab_size"],
                   reference=f"transformers {transformers.__version__} RwkvForCausalLM", modules=[modeling_rwkv])


if __name__ == "__main__":
    main()
