"""Tiny random Mamba and FalconMamba models of Hugging Face transformers, with logits, loss and every gradient.

Writes tests/golden/mamba/<case>/{config.json, model.safetensors, golden.safetensors}; see tests/golden/README.md.
Needs torch, transformers and safetensors. Run without arguments; the output is the same to the last bit on one machine.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
import transformers
from transformers import DynamicCache, FalconMambaConfig, FalconMambaForCausalLM, MambaConfig, MambaForCausalLM
from transformers.models.falcon_mamba import modeling_falcon_mamba
from transformers.models.mamba import modeling_mamba

from common import GOLDEN_DIR, true_double, write_tensors

LENGTHS = (37, 11)
MODELS = {"mamba": (MambaConfig, MambaForCausalLM), "falcon_mamba": (FalconMambaConfig, FalconMambaForCausalLM)}


@dataclass
class Case:
    name: str
    kind: str
    seed: int
    config: dict = field(default_factory=dict)


BASE = dict(vocab_size=67, hidden_size=24, num_hidden_layers=2, state_size=8, expand=2, conv_kernel=4, time_step_rank=5)
CASES = [
    Case("mamba_tied", "mamba", 11, dict(BASE, num_hidden_layers=3)),
    # An odd state size and kernel, a norm epsilon that matters, no bias where there usually is one and the reverse.
    Case("mamba_bias_untied", "mamba", 12, dict(BASE, state_size=5, conv_kernel=3, time_step_rank="auto", use_bias=True,
                                               use_conv_bias=False, tie_word_embeddings=False, layer_norm_epsilon=1e-2)),
    Case("falcon_untied", "falcon_mamba", 13, dict(BASE, tie_word_embeddings=False)),
    Case("falcon_bias_tied", "falcon_mamba", 14, dict(BASE, use_bias=True, use_conv_bias=False, mixer_rms_eps=0.05,
                                                     layer_norm_epsilon=1e-3)),
]
# Written with the names and the config.json of state-spaces/mamba; 67 tokens are padded to 72 rows as that code does.
STATE_SPACES = Case("state_spaces", "mamba", 15, dict(BASE, vocab_size=72, state_size=16))


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Every parameter gets its own random numbers: none is left at a value that could hide a mistake."""
    generator = torch.Generator().manual_seed(seed)

    def normal(shape, mean, std):
        return mean + std * torch.randn(shape, generator=generator)

    def uniform(shape, low, high):
        return low + (high - low) * torch.rand(shape, generator=generator)

    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            if name.endswith("A_log"):
                value = uniform(p.shape, -1.0, 2.0)
            elif name.endswith("dt_proj.bias"):
                value = uniform(p.shape, -3.0, 1.0)
            elif name.endswith(".D") or "norm" in name:
                value = normal(p.shape, 1.0, 0.3)
            elif name.endswith("bias"):
                value = normal(p.shape, 0.0, 0.3)
            elif "conv1d" in name:
                value = normal(p.shape, 0.0, 0.5)
            elif "embeddings" in name:
                value = normal(p.shape, 0.0, 1.0 if not model.config.tie_word_embeddings else 0.5)
            else:
                value = normal(p.shape, 0.0, p.shape[-1] ** -0.5)
            p.copy_(value)


def step_by_step(model, tokens: torch.Tensor):
    """Logits of one-token passes, and what every layer carries after the last of them."""
    cache, rows = DynamicCache(config=model.config), []
    with torch.no_grad():
        for token in tokens:
            rows.append(model(token.view(1, 1), cache_params=cache, use_cache=True).logits[0, 0])
    layers = range(model.config.num_hidden_layers)
    ssm = [cache.get_recurrent_state(i, state_idx=0)[0] for i in layers]
    conv = [cache.get_conv_state(i, state_idx=0)[0, :, 1:] for i in layers]  # the oldest column is never read again
    return torch.stack(rows), ssm, conv


def mean_loss(logits: list[torch.Tensor], tokens: list[torch.Tensor]) -> torch.Tensor:
    sums = [F.cross_entropy(row[:-1], t[1:], reduction="sum") for row, t in zip(logits, tokens)]
    return sum(sums) / sum(len(t) - 1 for t in tokens)


def evaluate(model, tokens: list[torch.Tensor]) -> dict:
    model.zero_grad()
    logits = [model(t.view(1, -1), use_cache=False).logits[0] for t in tokens]
    loss = mean_loss(logits, tokens)
    loss.backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters()}
    steps, ssm, conv = zip(*[step_by_step(model, t) for t in tokens])
    return dict(logits=logits, loss=loss, grads=grads, steps=steps, ssm=ssm, conv=conv)


def rms_ratio(value: torch.Tensor, ref: torch.Tensor) -> float:
    return float(((value.double() - ref.double()).norm() / ref.double().norm()).detach())


def max_ratio(value: torch.Tensor, ref: torch.Tensor) -> float:
    return float(((value - ref).abs().max() / ref.abs().max()).detach())


def finite_difference_error(model, tokens: list[torch.Tensor], grads: dict) -> float:
    """Largest error of a central difference along a random direction, over all parameters: proves that double is double."""
    generator, worst = torch.Generator().manual_seed(0), 0.0
    with torch.no_grad():
        for name, p in model.named_parameters():
            direction = torch.randn(p.shape, generator=generator, dtype=torch.float64)
            losses = []
            for h in (-1e-5, 1e-5):
                saved = p.clone()
                p.add_(h * direction)
                losses.append(mean_loss([model(t.view(1, -1), use_cache=False).logits[0] for t in tokens], tokens))
                p.copy_(saved)
            slope, expected = float(losses[1] - losses[0]) / 2e-5, float((grads[name] * direction).sum())
            worst = max(worst, abs(slope - expected) / max(abs(expected), 1e-3 * float(grads[name].norm())))
    return worst


def goldens(case: Case, model) -> tuple[dict, dict]:
    generator = torch.Generator().manual_seed(case.seed + 1000)
    vocab = model.config.vocab_size
    tokens = [torch.randint(0, vocab, (n,), generator=generator) for n in LENGTHS]
    f32 = evaluate(model, tokens)
    state = {name: p.clone() for name, p in model.state_dict().items()}
    with true_double(modeling_mamba, modeling_falcon_mamba):
        model = model.double()
        f64 = evaluate(model, tokens)
        difference = finite_difference_error(model, tokens, f64["grads"])
    model.float().load_state_dict(state)

    tensors = {"loss_f32": f32["loss"], "loss_f64": f64["loss"]}
    for i, t in enumerate(tokens):
        tensors[f"tokens.{i}"] = t
        tensors[f"logits_f32.{i}"] = f32["logits"][i]
        tensors[f"logits_f64.{i}"] = f64["logits"][i]
        tensors[f"step_logits_f32.{i}"] = f32["steps"][i]
        for layer in range(model.config.num_hidden_layers):
            tensors[f"state_f64.{i}.{layer}.ssm"] = f64["ssm"][i][layer]
            tensors[f"state_f64.{i}.{layer}.conv"] = f64["conv"][i][layer]
    tensors |= {f"grad_f64.{name}": grad for name, grad in f64["grads"].items()}

    metadata = dict(
        case=case.name, parameter_seed=case.seed, token_seed=case.seed + 1000, torch=torch.__version__,
        transformers=transformers.__version__, loss="mean over the 46 next-token targets of both sequences",
        f32_logits_rms_ratio=max(rms_ratio(a, b) for a, b in zip(f32["logits"], f64["logits"])),
        f32_grad_rms_ratio=max(rms_ratio(f32["grads"][n], f64["grads"][n]) for n in f64["grads"]),
        f32_step_max_ratio=max(max_ratio(a, b) for a, b in zip(f32["steps"], f32["logits"])),
        f64_step_max_ratio=max(max_ratio(a, b) for a, b in zip(f64["steps"], f64["logits"])),
        f64_finite_difference_error=difference,
    )
    return tensors, metadata


def build(case: Case):
    config_class, model_class = MODELS[case.kind]
    model = model_class(config_class(**case.config)).eval()
    randomise(model, case.seed)
    return model


def write_case(case: Case, model) -> None:
    folder = GOLDEN_DIR / "mamba" / case.name
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    write_tensors(folder / "golden.safetensors", *goldens(case, model))


def write_state_spaces(case: Case) -> None:
    model, folder = build(case), GOLDEN_DIR / "mamba" / case.name
    tensors, metadata = goldens(case, model)
    rename = {"backbone.embeddings.weight": "backbone.embedding.weight"}
    tensors = {name.replace("embeddings", "embedding"): value for name, value in tensors.items()}
    write_tensors(folder / "golden.safetensors", tensors, metadata)
    # Such checkpoints hold the tied head a second time.
    weights = {rename.get(name, name): value.clone() for name, value in model.state_dict().items()}
    safetensors.torch.save_file(weights, str(folder / "model.safetensors"))
    config = dict(d_model=case.config["hidden_size"], n_layer=case.config["num_hidden_layers"], vocab_size=67,
                  ssm_cfg=dict(dt_rank=case.config["time_step_rank"]), rms_norm=True, residual_in_fp32=True,
                  fused_add_norm=True, pad_vocab_size_multiple=8, tie_embeddings=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def write_sharded(case: Case, model) -> None:
    """The weights of another case in several files; its goldens hold here too."""
    folder: Path = GOLDEN_DIR / "mamba" / f"{case.name}_sharded"
    model.save_pretrained(folder, max_shard_size="25KB")
    (folder / "generation_config.json").unlink(missing_ok=True)


def main() -> None:
    torch.set_num_threads(1)
    shutil.rmtree(GOLDEN_DIR / "mamba", ignore_errors=True)
    for case in CASES:
        model = build(case)
        write_case(case, model)
        if case.name == "mamba_bias_untied":
            write_sharded(case, model)
    write_state_spaces(STATE_SPACES)


if __name__ == "__main__":
    main()
