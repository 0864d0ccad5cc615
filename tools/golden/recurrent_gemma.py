"""Tiny random RecurrentGemma model of Hugging Face transformers: tests/golden/arch/recurrent_gemma.safetensors."""

import torch
import transformers
from transformers import RecurrentGemmaConfig, RecurrentGemmaForCausalLM
from transformers.models.recurrent_gemma import modeling_recurrent_gemma as modelling

from arch_common import Capture, channel_rows, double_parameters, exact_rope, hf_config, hf_forward, write_case

SEED = 61
# hidden_size is a square: the reference keeps its square root in bfloat16.
SETTINGS = dict(vocab_size=31, hidden_size=16, num_hidden_layers=4, intermediate_size=40, num_attention_heads=2, num_key_value_heads=1,
                lru_width=24, attention_window_size=9, conv1d_width=4, logits_soft_cap=5.0, rms_norm_eps=1e-3, pad_token_id=None,
                attn_implementation="eager")
RULES = [("recurrent_param$", "uniform", -3.0, 0.0), (r"norm\.weight$", "normal", 0.0, 0.3), ("embed_tokens", "normal", 0.0, 0.3)]


def scan_rows(activations: torch.Tensor, call: dict) -> torch.Tensor:
    """Rows [D, T] over the values x of h_t = a_t h_{t-1} + sqrt(1 - a_t^2) i_t x_t."""
    written = call["hidden_states"][0].detach()  # [T, D] after the write weight
    fixed = dict(recurrent_gate=call["recurrent_gate"], reset=call["reset"], recurrent_states=None, acc_dtype=torch.float64)
    plain = channel_rows(lambda x: modelling.RecurrentGemmaRglru._rnn_scan(None, x[None], **fixed)[0][0], written)
    return plain * (written / activations[0]).T


def main() -> None:
    torch.set_num_threads(1)
    modelling.RecurrentGemmaRglru._rnn_scan.__defaults__ = (torch.float64,)  # the accumulator's type
    model = RecurrentGemmaForCausalLM(RecurrentGemmaConfig(**SETTINGS)).eval()
    parameters = double_parameters(model, SEED, RULES)
    exact_rope(model, modelling)
    forward = hf_forward(model)

    def rows(tokens):
        rglru = modelling.RecurrentGemmaRglru
        with Capture(rglru, "forward") as units, Capture(rglru, "_rnn_scan") as scans, Capture(modelling, "eager_attention_forward") as attention:
            forward(tokens)
        recurrent = [scan_rows(u["activations"].detach(), s) for u, s in zip(units.calls, scans.calls)]
        softmax = [weights[0, :, -1, :] for _, weights in attention.results]  # [H, T]
        return [(softmax if kind == "sliding_attention" else recurrent).pop(0) for kind in model.config.layers_block_type]

    write_case("recurrent_gemma", hf_config(model.config), parameters, forward, rows, seed=SEED, vocab=SETTINGS["vocab_size"],
               reference=f"transformers {transformers.__version__} RecurrentGemmaForCausalLM", modules=[modelling])


if __name__ == "__main__":
    main()
