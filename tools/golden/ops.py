"""Small float64 inputs, outputs and gradients of single operations by torch autograd, and five AdamW steps.

Writes tests/golden/ops.safetensors; tests/golden/README.md lists the names.
"""

import torch
import torch.nn.functional as F

from common import GOLDEN_DIR, write_tensors

SEED = 21
T, C, K, V, N = 19, 12, 4, 23, 5


class Recorder:
    """Draws inputs, differentiates <output, random dy> and stores everything under one operation's name."""

    def __init__(self):
        self.generator = torch.Generator().manual_seed(SEED)
        self.tensors = {}

    def normal(self, *shape, scale=1.0):
        return scale * torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def record(self, op: str, inputs: dict, function):
        leaves = {name: value.clone().requires_grad_() for name, value in inputs.items()}
        outputs = function(**leaves)
        outputs = outputs if isinstance(outputs, dict) else {"y": outputs}
        weights = {name: self.normal(*y.shape) for name, y in outputs.items()}
        sum((y * weights[name]).sum() for name, y in outputs.items()).backward()
        rows = {**inputs, **outputs}
        rows |= {f"d{name}": value for name, value in weights.items()}
        rows |= {f"d{name}": leaf.grad for name, leaf in leaves.items()}
        self.tensors |= {f"{op}.{name}": value.detach() for name, value in rows.items()}


def rmsnorm(x, w=None, eps=1e-5):
    y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)
    return y if w is None else y * w


def conv1d(u, w, past, b=None):
    padded = torch.cat([past, u]).T[None]  # [1, C, K-1+T]
    y = F.conv1d(padded, w[:, None, :], b, groups=w.shape[0])[0].T
    return {"y": y, "past_out": torch.cat([past, u])[-past.shape[0]:]}


def scan(dt_write, dt_decay, A_log, B, C, x, S0):
    A, S, rows = -torch.exp(A_log), S0, []
    for t in range(x.shape[0]):
        S = torch.exp(dt_decay[t][:, None] * A) * S + (dt_write[t] * x[t])[:, None] * B[t]
        rows.append(S @ C[t])
    return {"y": torch.stack(rows), "S": S}


def activations(r: Recorder) -> None:
    extreme = torch.tensor([0.0, -0.0, 1e-12, -1e-12, 1e-3, -1e-3, 5.0, -5.0, 19.9, 20.1, -19.9, -20.1, 88.0, -88.0, 300.0, -300.0])
    x = torch.cat([extreme.double(), r.normal(48, scale=3.0)])
    functions = {
        "silu": lambda x: F.silu(x),
        "sigmoid": lambda x: torch.sigmoid(x),
        "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),  # exact: no switch to the identity above 20
        "tanh": lambda x: torch.tanh(x),
        "relu2": lambda x: F.relu(x).square(),
        "gelu_erf": lambda x: F.gelu(x),
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    }
    for name, function in functions.items():
        r.record(name, {"x": x}, function)


def cross_entropy(r: Recorder) -> None:
    logits = r.normal(T, V, scale=3.0)
    logits[1] += 1000.0
    logits[2] -= 1000.0
    logits[3, 7] = 500.0
    targets = torch.randint(0, V, (T,), generator=r.generator)
    targets[3], targets[4] = 7, 0
    weight = torch.rand((T,), generator=r.generator, dtype=torch.float64)
    weight[5] = 0.0
    leaf = logits.clone().requires_grad_()
    losses = F.cross_entropy(leaf, targets, reduction="none")
    (losses * weight).sum().backward()
    rows = dict(logits=logits, targets=targets, weight=weight, losses=losses.detach(), dlogits=leaf.grad)
    r.tensors |= {f"cross_entropy.{name}": value for name, value in rows.items()}


def adamw(r: Recorder) -> None:
    """Clip to norm 1 (torch multiplies by min(1, 1 / (norm + 1e-6))), then AdamW; the bias is not decayed."""
    w, b = torch.nn.Parameter(r.normal(6, 8)), torch.nn.Parameter(r.normal(8))
    groups = [{"params": [w], "weight_decay": 0.1}, {"params": [b], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.95), eps=1e-8)
    store = {"w.0": w.detach().clone(), "b.0": b.detach().clone(), "lr": torch.tensor([1e-3, 2e-3, 3e-3, 2e-3, 1e-3]).double()}
    norms = []
    for step, scale in enumerate([0.02, 1.0, 5.0, 0.1, 100.0], start=1):
        w.grad, b.grad = r.normal(6, 8, scale=scale), r.normal(8, scale=scale)
        store |= {f"gw.{step}": w.grad.clone(), f"gb.{step}": b.grad.clone()}
        norms.append(torch.nn.utils.clip_grad_norm_([w, b], 1.0).detach())
        for group in optimiser.param_groups:
            group["lr"] = float(store["lr"][step - 1])
        optimiser.step()
        store |= {f"w.{step}": w.detach().clone(), f"b.{step}": b.detach().clone()}
    store |= {"norm": torch.stack(norms), "m": optimiser.state[w]["exp_avg"], "v": optimiser.state[w]["exp_avg_sq"]}
    r.tensors |= {f"adamw.{name}": value for name, value in store.items()}


def main() -> None:
    torch.set_num_threads(1)
    r = Recorder()
    r.record("rmsnorm", {"x": r.normal(T, C, scale=2.0), "w": r.normal(C)}, rmsnorm)
    r.record("rmsnorm_weightless", {"x": r.normal(T, N, scale=0.01)}, rmsnorm)
    activations(r)
    bias_free = {"u": r.normal(T, C), "w": r.normal(C, K), "past": r.normal(K - 1, C)}
    r.record("conv1d", {**bias_free, "b": r.normal(C)}, conv1d)
    r.record("conv1d_short", {"u": r.normal(2, C), "w": r.normal(C, K), "past": r.normal(K - 1, C)}, conv1d)
    steps = F.softplus(r.normal(T, C, scale=2.0))
    r.record("scan", {"dt_write": steps, "dt_decay": steps, "A_log": r.normal(C, N), "B": r.normal(T, N), "C": r.normal(T, N),
                      "x": r.normal(T, C), "S0": r.normal(C, N)}, scan)
    cross_entropy(r)
    adamw(r)
    metadata = dict(torch=torch.__version__, seed=SEED, rmsnorm_eps=1e-5, adamw="betas .9 .95, eps 1e-8, decay .1 on w, clip 1")
    write_tensors(GOLDEN_DIR / "ops.safetensors", r.tensors, metadata)


if __name__ == "__main__":
    main()
