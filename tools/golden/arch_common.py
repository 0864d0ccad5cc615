"""One golden file per tiny random model of a family: tests/golden/arch/<model_type>[-variant].safetensors.

A family's script builds its reference model, calls `randomise` and hands `write_case` three things: the parameters by
checkpoint name, `forward(tokens) -> logits` and `rows(tokens) -> [maps of each mixer]`. What the file holds is listed in
tests/golden/README.md; tests/arch_conformance_test.cpp reads it without knowing the family.
"""

import contextlib
import inspect
import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from transformers import modeling_rope_utils

from common import GOLDEN_DIR, true_double, write_tensors

LENGTHS = (37, 23)
MAX_BYTES = 400_000
Rule = tuple[str, str, float, float]  # pattern of the name, "normal" | "uniform", two numbers

# Gates, decays and norms that are typical of every family; a script's own rules come first.
COMMON_RULES: list[Rule] = [
    (r"A_log$", "uniform", -1.0, 2.0),
    (r"(dt_bias|dt_proj\.bias)$", "uniform", -3.0, 1.0),
    (r"(norm|ln)[\w.]*\.weight$|\bD$", "normal", 1.0, 0.3),
    (r"bias$", "normal", 0.0, 0.3),
    (r"conv[\w.]*weight$", "normal", 0.0, 0.5),
    (r"(embed|emb\b|wte)[\w.]*$", "normal", 0.0, 0.7),
]


def randomise(parameters: dict[str, torch.Tensor], seed: int, rules: list[Rule] = ()) -> None:
    """Every parameter gets its own random float32 numbers; what no rule names is normal with variance 1 / columns."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(parameters.items()):
            kind, a, b = next((r[1:] for r in [*rules, *COMMON_RULES] if re.search(r[0], name)), ("normal", 0.0, p.shape[-1] ** -0.5))
            if kind == "normal":
                value = a + b * torch.randn(p.shape, generator=generator)
            else:
                value = a + (b - a) * torch.rand(p.shape, generator=generator)
            p.copy_(value)


@dataclass
class Capture:
    """Calls of one function of a module while inside: arguments by name (defaults filled in), then the result."""

    module: object
    name: str
    calls: list[dict] = field(default_factory=list)
    results: list = field(default_factory=list)

    def __enter__(self):
        self.function = getattr(self.module, self.name)
        signature = inspect.signature(self.function)

        def wrapped(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            self.calls.append(dict(bound.arguments))
            self.results.append(self.function(*args, **kwargs))
            return self.results[-1]

        setattr(self.module, self.name, wrapped)
        return self

    def __exit__(self, *_):
        setattr(self.module, self.name, self.function)


def head_rows(mix: Callable, v: torch.Tensor, t: int = -1) -> torch.Tensor:
    """Rows [H, T] of token t (the last) of a recurrence y = mix(v), both [T, H, V], everything but v held constant.

    alpha[h, t, j] is d y[t, h, p] / d v[j, h, p], the same for every p; that and sum_j alpha v_j = y_t are checked.
    """
    leaf = v.detach().clone().requires_grad_()
    y = mix(leaf)
    (rows,) = torch.autograd.grad(y[t, :, 0].sum(), leaf)
    rows = rows[:, :, 0].T.contiguous()  # [H, T]
    total = torch.einsum("ht,thp->hp", rows, leaf.detach())
    rtol, atol = (1e-9, 1e-11) if v.dtype == torch.float64 else (1e-2, 1e-4)
    assert torch.allclose(total, y[t].detach(), rtol=rtol, atol=atol), "the map does not add up to the output"
    return rows


def channel_rows(mix: Callable, v: torch.Tensor) -> torch.Tensor:
    """The same for a recurrence of single channels, y = mix(v), both [T, D]: rows [D, T]."""
    return head_rows(lambda x: mix(x[:, :, 0])[:, :, None], v[:, :, None])


def next_token_targets(tokens: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets of a language model and their weights in the loss; the last token has none."""
    weights = (0.5 + torch.rand(len(tokens), generator=generator)).double()
    weights[-1] = 0
    return torch.cat([tokens[1:], torch.zeros(1, dtype=torch.int64)]), weights


def total_loss(logits: list, targets: list, weights: list) -> torch.Tensor:
    return sum((F.cross_entropy(l, t, reduction="none") * w).sum() for l, t, w in zip(logits, targets, weights))


def joint_difference_error(loss: Callable, parameters: dict, grads: dict, directions: int = 3) -> float:
    """The same for slow references: a few directions through all parameters at once, each parameter with an equal share."""
    generator, worst = torch.Generator().manual_seed(0), 0.0
    with torch.no_grad():
        for _ in range(directions):
            steps = {n: torch.randn(p.shape, generator=generator, dtype=torch.float64) / grads[n].norm() for n, p in parameters.items()}
            saved, ends = {n: p.clone() for n, p in parameters.items()}, []
            for h in (-1e-6, 1e-6):
                for n, p in parameters.items():
                    p.copy_(saved[n] + h * steps[n])
                ends.append(float(loss()))
            for n, p in parameters.items():
                p.copy_(saved[n])
            slope, expected = (ends[1] - ends[0]) / 2e-6, sum(float((grads[n] * d).sum()) for n, d in steps.items())
            worst = max(worst, abs(slope - expected) / len(parameters) ** 0.5)
    return worst


def finite_difference_error(loss: Callable, parameters: dict, grads: dict) -> float:
    """Largest error of a central difference along one random direction per parameter: proves that double is double."""
    generator, worst = torch.Generator().manual_seed(0), 0.0
    with torch.no_grad():
        for name, p in parameters.items():
            direction = torch.randn(p.shape, generator=generator, dtype=torch.float64)
            saved, ends = p.clone(), []
            for h in (-1e-5, 1e-5):
                p.copy_(saved + h * direction)
                ends.append(float(loss()))
            p.copy_(saved)
            slope, expected = (ends[1] - ends[0]) / 2e-5, float((grads[name] * direction).sum())
            worst = max(worst, abs(slope - expected) / max(abs(expected), 1e-3 * float(grads[name].norm())))
    return worst


def float32_noise(logits: list, grads: dict, parameters: dict, evaluate: Callable, extra: dict, more: Callable | None) -> dict | None:
    """The reference's own float32 run against its float64 run: RMS ratios, and the largest difference of a logit (of an entry of a
    row) over the largest. None where it cannot run in float32."""
    kept = {name: p.data for name, p in parameters.items()}
    try:
        for p in parameters.values():
            p.data = p.data.float()
        found, found_grads = evaluate()
        found_extra = more() if more else {}
    except RuntimeError:
        return None
    finally:
        for name, p in parameters.items():
            p.data = kept[name]

    def ratio(a, b):
        return float((a.double() - b).detach().norm() / b.detach().norm())

    def largest(pairs):
        return max((float(((a.double() - b).abs().max() / b.abs().max()).detach()) for a, b in pairs), default=0.0)

    rows = largest((found_extra[n], m) for n, m in extra.items() if m.is_floating_point())
    return dict(largest=largest(zip(found, logits)), rows=rows, logits=max(ratio(a, b) for a, b in zip(found, logits)), grads=max(ratio(found_grads[n], g) for n, g in grads.items()))


def checkout_commit(folder: str) -> str:
    """Commit of a public checkout given with --ref; goes into the metadata."""
    return subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def double_parameters(module: torch.nn.Module, seed: int, rules: list[Rule] = ()) -> dict[str, torch.Tensor]:
    """Random parameters of a torch module, float32 numbers held in double; tied ones appear once."""
    parameters = dict(module.named_parameters())
    randomise(parameters, seed, rules)
    module.double()
    return dict(module.named_parameters())


def write_case(name: str, config: dict, parameters: dict[str, torch.Tensor], forward: Callable, rows: Callable, *, seed: int,
               reference: str, vocab: int, modules=(), double: Callable | None = None, inputs: list[torch.Tensor] | None = None,
               targets: list[torch.Tensor] | None = None, lengths=LENGTHS, more: Callable | None = None, difference: Callable | None = None,
               noisy: bool = False, max_bytes: int = MAX_BYTES) -> None:
    """parameters are leaves in double that `forward` reads; modules are modelling files that cast to float32, double() another context
    in which everything is double.

    inputs: other than random tokens ([T] ids or [T, F] features); targets: other than the next token (one per row of logits).
    more(tokens): further arrays by name; difference: another check of the gradients; noisy: the seed stays as it is whatever the
    reference's float32 noise, and the tests' float32 bars follow that noise.
    """
    generator = torch.Generator().manual_seed(seed + 1000)
    if inputs is None:
        inputs = [torch.randint(0, vocab, (n,), generator=generator) for n in lengths]
    pairs = [next_token_targets(x, generator) for x in inputs] if targets is None else [(t, torch.ones(len(t)).double()) for t in targets]
    weights = [w for _, w in pairs]
    targets = [t for t, _ in pairs]

    def evaluate():
        logits = [forward(x) for x in inputs]
        loss = total_loss(logits, targets, weights)
        return logits, dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values()))))

    def in_double():
        return double() if double else true_double(*modules) if modules else contextlib.nullcontext()

    with in_double():
        logits, grads = evaluate()
        extra = more(inputs[0]) if more else {}
    assert all(l.dtype == torch.float64 and l.ndim == 2 for l in logits), "logits must be [T, vocab] in double"
    noise = float32_noise(logits, grads, parameters, evaluate, extra, more and (lambda: more(inputs[0])))
    assert noise is None or noisy or (noise["logits"] < 4e-7 and noise["largest"] < 5e-7 and noise["grads"] < 3e-6), \
        f"{name}: {noise} leaves float32 no room; take another seed"
    with in_double():
        loss = total_loss(logits, targets, weights)
        error = (difference or finite_difference_error)(lambda: total_loss([forward(x) for x in inputs], targets, weights), parameters, grads)
        with torch.no_grad():
            cut = forward(inputs[0][:11])
        maps = [m.detach() for m in rows(inputs[0])]
    assert error < 1e-5, f"{name}: gradients differ from finite differences by {error:.1e}"
    if len(logits[0]) == len(inputs[0]):
        assert torch.allclose(cut, logits[0][:11].detach(), rtol=1e-10, atol=1e-12), f"{name}: not causal, or not double"
    silent = [n for n, g in grads.items() if float(g.abs().max()) < 1e-9 * loss.item()]
    assert not silent, f"{name}: no gradient reaches {silent}"

    tensors = {key: m.detach() for key, m in extra.items()}
    for i, x in enumerate(inputs):
        tensors[f"{'features' if x.is_floating_point() else 'tokens'}.{i}"] = x.float() if x.is_floating_point() else x
        tensors[f"targets.{i}"] = targets[i]
        tensors[f"loss_weights.{i}"] = weights[i].float()
        assert torch.equal(weights[i].float().double(), weights[i])
        tensors[f"logits.{i}"] = logits[i]
    tensors["loss"] = loss
    for key, p in parameters.items():
        assert torch.equal(p.detach().float().double(), p.detach()), f"{key} is not exact in float32"
        tensors[f"weights.{key}"] = p.detach().float()
        tensors[f"grads.{key}"] = grads[key]
    for i, m in enumerate(maps):
        assert m.shape[1] == len(inputs[0]) and m.dtype == torch.float64, "rows are [maps, T] in double"
        tensors[f"rows.{i}"] = m
    metadata = dict(config=config, seed=seed, reference=reference, torch=torch.__version__, precision="float64",
                    finite_difference_error=error, float32_noise=noise, loss="sum over both sequences of loss_weights times cross entropy")
    path = GOLDEN_DIR / "arch" / f"{name}.safetensors"
    write_tensors(path, tensors, metadata)
    path.chmod(0o644)
    print(f"  float32 noise of the reference: {noise}")
    assert path.stat().st_size <= max_bytes, f"{path} has {path.stat().st_size} bytes"


class RmsNorm(torch.nn.Module):
    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight, self.eps = torch.nn.Parameter(torch.ones(size)), eps

    def forward(self, x):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.eps) * self.weight


def hf_config(config) -> dict:
    """config.json as transformers writes it."""
    return json.loads(config.to_json_string())


def hf_forward(model) -> Callable:
    return lambda tokens: model(tokens.view(1, -1), use_cache=False).logits[0]


def exact_rope(model: torch.nn.Module, modelling) -> None:
    """Inverse frequencies of rotary embeddings in double; transformers computes and keeps them in float32."""
    with true_double(modelling), true_double(modeling_rope_utils):
        for module in model.modules():
            if hasattr(module, "inv_freq"):
                compute = modeling_rope_utils.ROPE_INIT_FUNCTIONS.get(module.rope_type, module.compute_default_rope_parameters)
                module.inv_freq, module.attention_scaling = compute(module.config)
                assert module.inv_freq.dtype == torch.float64
