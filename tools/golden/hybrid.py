"""A tiny random hybrid out of transformers' own modules: Mamba-2 mixers, Llama attention, a gated MLP and a mixture of experts,
serial, parallel in one layer and shared between layers: tests/golden/arch/hybrid.safetensors."""

import torch
import torch.nn.functional as F
import transformers
from torch import nn
from torch.func import functional_call
from transformers import LlamaConfig, Mamba2Config, MixtralConfig
from transformers.models.llama import modeling_llama
from transformers.models.mamba2 import modeling_mamba2
from transformers.models.mixtral import modeling_mixtral

from arch_common import Capture, RmsNorm, head_rows, randomise, write_case

D, FFN, EXPERTS, VOCAB, EPS = 16, 20, 4, 31, 1e-2
LAYERS = ["ssm", "mlp", "ssm+attn", "moe", "attn@2", "ssm@0"]
CONFIG = {
    "model_type": "hybrid", "hidden_size": D, "vocab_size": VOCAB, "norm_eps": EPS, "tie_word_embeddings": False, "layers": LAYERS,
    "blocks": {
        "ssm": {"model_type": "mamba2", "head_dim": 8, "num_heads": 4, "state_size": 6, "n_groups": 2, "layer_norm_epsilon": EPS},
        "attn": {"model_type": "attention", "num_attention_heads": 4, "num_key_value_heads": 2, "rope_theta": 100.0},
        "mlp": {"model_type": "mlp", "intermediate_size": FFN},
        "moe": {"model_type": "moe", "intermediate_size": 12, "num_experts": EXPERTS, "num_experts_per_tok": 2},
    },
}


def modules() -> dict[str, nn.Module]:
    ssm = Mamba2Config(vocab_size=VOCAB, hidden_size=D, num_hidden_layers=1, state_size=6, num_heads=4, head_dim=8, n_groups=2, chunk_size=8,
                       layer_norm_epsilon=EPS)
    attn = LlamaConfig(vocab_size=VOCAB, hidden_size=D, num_attention_heads=4, num_key_value_heads=2, intermediate_size=FFN, num_hidden_layers=1,
                       rope_parameters={"rope_type": "default", "rope_theta": 100.0}, attn_implementation="eager")
    moe = MixtralConfig(hidden_size=D, intermediate_size=12, num_local_experts=EXPERTS, num_experts_per_tok=2)
    return {
        "ssm": modeling_mamba2.Mamba2Mixer(ssm, 0), "attn": modeling_llama.LlamaAttention(attn, 0), "mlp": modeling_llama.LlamaMLP(attn),
        "moe": modeling_mixtral.MixtralSparseMoeBlock(moe), "rotary": modeling_llama.LlamaRotaryEmbedding(attn), "norm": RmsNorm(D, EPS),
    }


def shapes(kind: str, module: nn.Module) -> dict[str, torch.Size]:
    """Parameters under the names of a checkpoint: experts one by one."""
    if kind != "moe":
        return {name: p.shape for name, p in module.named_parameters()}
    out = {"gate.weight": module.gate.weight.shape}
    for e in range(EXPERTS):
        for name, shape in (("gate_proj", (12, D)), ("up_proj", (12, D)), ("down_proj", (D, 12))):
            out[f"experts.{e}.{name}.weight"] = torch.Size(shape)
    return out


def fused(kind: str, own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    if kind != "moe":
        return own
    expert = lambda name: [own[f"experts.{e}.{name}.weight"] for e in range(EXPERTS)]
    up = torch.stack([torch.cat(pair) for pair in zip(expert("gate_proj"), expert("up_proj"))])
    return {"gate.weight": own["gate.weight"], "experts.gate_up_proj": up, "experts.down_proj": torch.stack(expert("down_proj"))}


class Hybrid:
    def __init__(self):
        self.modules = {name: module.double() for name, module in modules().items()}
        rotary = self.modules["rotary"].inv_freq  # made in single precision
        rotary.copy_(100.0 ** (-torch.arange(len(rotary)).double() / len(rotary)))
        parameters = {"embeddings.weight": torch.zeros(VOCAB, D), "norm.weight": torch.zeros(D), "lm_head.weight": torch.zeros(VOCAB, D)}
        for l, text in enumerate(LAYERS):
            parameters[f"layers.{l}.norm.weight"] = torch.zeros(D)
            for part in text.split("+"):
                if "@" not in part:
                    parameters.update({f"layers.{l}.{part}.{n}": torch.zeros(s) for n, s in shapes(part, self.modules[part]).items()})
        randomise(parameters, 71)
        self.parameters = {name: p.double().requires_grad_() for name, p in parameters.items()}
        self.maps = []

    def norm(self, name: str, x):
        return functional_call(self.modules["norm"], {"weight": self.parameters[name]}, (x,))

    def block(self, layer: int, part: str, u):
        kind, _, owner = part.partition("@")
        prefix = f"layers.{owner or layer}.{kind}."
        own = {n[len(prefix):]: p for n, p in self.parameters.items() if n.startswith(prefix)}
        module, args, extra = self.modules[kind], (u[None],), {}
        if kind == "attn":
            T = len(u)
            position = self.modules["rotary"](u[None], torch.arange(T)[None])
            mask = torch.full((T, T), float("-inf")).double().triu(1)[None, None]
            extra = dict(position_embeddings=tuple(p.double() for p in position), attention_mask=mask)
        with Capture(modeling_mamba2, "mamba2_chunk_scan") as scans:
            out = functional_call(module, fused(kind, own), args, extra)
        if kind == "attn":
            self.maps.append(out[1][0, :, -1])
        if kind == "ssm":
            self.maps.append(scan_rows(scans.calls[0]))
        return (out[0] if isinstance(out, tuple) else out)[0]

    def __call__(self, tokens):
        self.maps = []
        x = F.embedding(tokens, self.parameters["embeddings.weight"])
        for l, text in enumerate(LAYERS):
            u = self.norm(f"layers.{l}.norm.weight", x)
            x = x + sum(self.block(l, part, u) for part in text.split("+"))
        return self.norm("norm.weight", x) @ self.parameters["lm_head.weight"].T


def scan_rows(call: dict) -> torch.Tensor:
    fixed = {k: (v.detach() if isinstance(v, torch.Tensor) else v) for k, v in call.items() if k not in ("hidden_states", "D", "kwargs")}
    with torch.enable_grad():
        return head_rows(lambda v: modeling_mamba2.mamba2_chunk_scan(v[None], **fixed)[0], call["hidden_states"][0])


def main() -> None:
    torch.set_num_threads(1)
    model = Hybrid()

    def rows(tokens):
        model(tokens)
        return model.maps

    write_case("hybrid", CONFIG, model.parameters, model, rows, seed=71, vocab=VOCAB,
               reference=f"transformers {transformers.__version__} Mamba2Mixer, LlamaAttention, LlamaMLP, MixtralSparseMoeBlock",
               modules=[modeling_mamba2, modeling_llama, modeling_mixtral])


if __name__ == "__main__":
    main()
