"""Tiny random xLSTM (mLSTM) model of Hugging Face transformers, its native torch path: tests/golden/arch/xlstm.safetensors."""

import torch
import transformers
from transformers import xLSTMConfig, xLSTMForCausalLM
from transformers.models.xlstm import modeling_xlstm

from arch_common import double_parameters, head_rows, hf_config, hf_forward, true_double, write_case

SEED = 87
SETTINGS = dict(vocab_size=31, hidden_size=16, num_hidden_layers=2, num_heads=2, chunk_size=8, norm_eps=1e-3, ffn_round_up_to_multiple_of=4,
                ffn_proj_factor=1.76, add_out_norm=False, output_logit_soft_cap=6.0, gate_soft_cap=4.0)
RULES = [(r"igate_preact\.bias", "normal", -1.0, 1.5), (r"fgate_preact\.bias", "uniform", 0.0, 4.0)]


def cell_rows(backend, call: dict) -> torch.Tensor:
    """Rows of the cell's output over its values; the divisor has no value in it."""
    fixed = {k: v for k, v in call.items() if k != "value"}
    return head_rows(lambda v: backend(value=v.permute(1, 0, 2)[None], **fixed)[0][0].permute(1, 0, 2), call["value"][0].permute(1, 0, 2))


def main() -> None:
    torch.set_num_threads(1)
    assert not modeling_xlstm.external_xlstm, "the package xlstm replaces the native path"
    with true_double(modeling_xlstm):  # the state's type is taken when the model is built
        model = xLSTMForCausalLM(xLSTMConfig(**SETTINGS)).eval()
    parameters = double_parameters(model, SEED, RULES)
    forward = hf_forward(model)

    def rows(tokens):
        calls = []
        backends = [m for m in model.modules() if isinstance(m, modeling_xlstm.xLSTMBackend)]
        hooks = [b.register_forward_pre_hook(lambda m, _, kwargs: calls.append((m, kwargs)), with_kwargs=True) for b in backends]
        forward(tokens)
        for hook in hooks:
            hook.remove()
        return [cell_rows(*call) for call in calls]

    write_case("xlstm", hf_config(model.config), parameters, forward, rows, seed=SEED, vocab=SETTINGS["vocab_size"],
               reference=f"transformers {transformers.__version__} xLSTMForCausalLM, native path", modules=[modeling_xlstm])


if __name__ == "__main__":
    main()
