"""A golden file of one of flash-linear-attention's own models, with the rows of its mixers at core and at mixer fidelity."""

from dataclasses import dataclass, field

import torch
from torch import nn

from arch_common import Capture, double_parameters, head_rows, hf_config, joint_difference_error, write_case
from public_triton import in_double

LENGTHS = (70, 23)  # more than one chunk of 64, and few enough for the recurrent kernels
ROWS = (23, 45, 69)
SEED = 1  # of every case: none is chosen by what comes out
TIGHT = {torch.float64: dict(rtol=1e-10, atol=1e-12), torch.float32: dict(rtol=1e-3, atol=1e-5)}
BASE = dict(vocab_size=31, hidden_size=16, num_hidden_layers=2, intermediate_size=20, norm_eps=1e-2)


@dataclass
class Family:
    """Where a mixer's parts are: its recurrences (functions of its module), the projection and convolution that make the values."""

    module: object
    operators: tuple[str, ...]
    source: str = "v_proj"
    conv: str = "v_conv1d"
    factor: object = None  # (attn, trace) -> [T, channels] that multiplies the recurrence's output on its way to o_proj
    rules: list = field(default_factory=list)
    train: bool = False  # chunk kernels for any length, where the recurrent kernels have no backward pass
    kernels: str = "chunk kernels from 65 tokens, recurrent kernels below"
    writes: int = 1  # of a token; the values are [T * writes, H, V], and rows the mean over them


class Trace:
    """One pass of a model: per mixer the call of its recurrence, its result, and what its submodules took and gave."""

    def __init__(self, family: Family, attns: list[nn.Module], run):
        self.calls, self.results, self.seen = [], [], [{} for _ in attns]
        hooks = []
        for seen, attn in zip(self.seen, attns):
            for name, child in attn.named_children():
                hooks.append(child.register_forward_hook(lambda m, i, o, n=name, s=seen: s.update({n: (i, o)})))
            hooks.append(attn.register_forward_hook(lambda m, i, o, s=seen: s.update(mixer=o[0])))
        captures = [Capture(family.module, name) for name in family.operators]
        for capture in captures:
            capture.__enter__()
        run()
        for capture in captures:
            capture.__exit__()
            for call, result in zip(capture.calls, capture.results):
                self.calls.append((capture.function, call))
                self.results.append(result[0][0].detach())  # [T, H, V]
        for hook in hooks:
            hook.remove()
        assert len(self.calls) == len(attns), "one recurrence a mixer"


def core(trace: Trace, m: int):
    """The recurrence as a function of its values [T, H, V] alone."""
    function, call = trace.calls[m]
    named = {k: v.detach() if isinstance(v, torch.Tensor) else v for k, v in call.items() if k not in ("kwargs", "args")}
    named.update(call.get("kwargs", {}))
    return (lambda v: function(**{**named, "v": v[None]})[0][0]), named["v"][0]


def own_factor(attn: nn.Module, trace: Trace, m: int) -> torch.Tensor:
    """RMS norm and gates scale channel by channel: what o_proj reads over what the recurrence gave."""
    return trace.seen[m]["o_proj"][0][0][0].detach() / trace.results[m].flatten(1)


def value_path(family: Family, attn: nn.Module, trace: Trace, m: int, v: torch.Tensor) -> torch.Tensor:
    """d v[j, c] / d u[i, c] of the values over the projection's output, the activation's slope held: [T, T, channels]."""
    T, channels = v.shape[0], v.flatten(1).shape[1]
    conv = getattr(attn, family.conv, None)
    if conv is None:
        return torch.eye(T, dtype=v.dtype)[:, :, None].expand(T, T, channels)
    u = trace.seen[m][family.source][1][0].detach()  # [T, C]
    w, K = conv.weight.detach()[:, 0], conv.weight.shape[-1]  # [C, K]
    taps = sum(torch.diag_embed(w[:, K - 1 - d, None].expand(-1, T - d), offset=-d) for d in range(K))  # [C, T, T]
    raw = torch.einsum("cji,ic->jc", taps, u) + (0 if conv.bias is None else conv.bias.detach())
    slope = torch.sigmoid(raw) if conv.activation in ("silu", "swish") else torch.ones_like(raw)
    groups = channels // u.shape[1]
    made, width = (slope * raw), v.shape[2]
    spread = lambda x: x.reshape(T, -1, width).repeat_interleave(groups, 1).reshape(T, channels)
    assert torch.allclose(spread(made), v.flatten(1), **TIGHT[u.dtype]), "the values are not what convolution and slope give"
    path = slope.T[:, :, None] * taps  # [C, T, T]
    return path.permute(1, 2, 0).reshape(T, T, -1, width).repeat_interleave(groups, 2).reshape(T, T, channels)


def rows_of(family: Family, attn: nn.Module, trace: Trace, m: int) -> dict[str, torch.Tensor]:
    mix, v = core(trace, m)
    with torch.enable_grad():
        alpha = torch.stack([head_rows(mix, v, t) for t in ROWS])  # [n, H, T * writes]
    factor = (family.factor or own_factor)(attn, trace, m)[list(ROWS)]  # [n, channels]
    (_, H, width), W = v.shape, family.writes
    path = value_path(family, attn, trace, m, v.reshape(-1, W * H, width))
    alpha = alpha.view(len(ROWS), H, -1, W)  # [n, H, T, writes]
    full = torch.einsum("nhjw,jiwhc->niwhc", alpha, path.reshape(*path.shape[:2], W, H, width)) * factor.view(-1, 1, 1, H, width)
    return {f"core_rows.{m}": alpha.mean(-1), f"mixer_rows.{m}": full.mean((2, -1)).transpose(1, 2).contiguous(),
            f"mixer_abs_rows.{m}": full.abs().mean((2, -1)).transpose(1, 2).contiguous()}


def write_public(name: str, model_class, config, family: Family, commit: str) -> None:
    model_class._tied_weights_keys = {"lm_head.weight": "model.embeddings.weight"}  # transformers 5 reads no list
    with in_double():  # for what a constructor computes
        model = model_class(config).train(family.train)
    parameters = double_parameters(model, SEED, family.rules)
    attns, kept = [layer.attn for layer in model.model.layers], {}

    def forward(tokens):
        return model(tokens.view(1, -1), use_cache=False).logits[0]

    def more(tokens):
        trace, out = Trace(family, attns, lambda: forward(tokens)), {"row_tokens": torch.tensor(ROWS)}
        for m, attn in enumerate(attns):
            out.update(rows_of(family, attn, trace, m))
        if not kept:  # the first run is the one in double
            kept.update(out)
        return out

    stored = hf_config(model.config)
    write_case(name, stored, parameters, forward, lambda _: [r[-1] for key, r in kept.items() if key.startswith("core_rows")], seed=SEED,
               vocab=stored["vocab_size"], double=in_double, lengths=LENGTHS, more=more, difference=joint_difference_error, noisy=True,
               reference=f"flash-linear-attention {commit}, {model_class.__name__} with its own trunk, {family.kernels} in Triton's CPU interpreter")
