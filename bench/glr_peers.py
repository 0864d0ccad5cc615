"""The recurrences in PyTorch on one CPU thread, beside bench_glr of the same run.

  python bench/glr_peers.py --bench build/release/bench/bench_glr

Peers: transformers' torch path where it has the structure (Mamba-2's chunked scan, Qwen3-Next's recurrent and chunked gated delta
rule, whose one decay per head is less work than the row decay of bench_glr's rank-1 case), and otherwise the token loop that its
models run (one step of torch ops per token). forward+backward is autograd. Shapes are those bench_glr prints.
"""

import argparse
import os
import platform
import re
import subprocess
import time

import torch
import transformers
from transformers.models.mamba2.modeling_mamba2 import mamba2_chunk_scan
from transformers.models.qwen3_next.modeling_qwen3_next import torch_chunk_gated_delta_rule, torch_recurrent_gated_delta_rule


def scalar_loop(q, k, v, g):
    """[T, H, K], [T, H, K], [T, H, V], [T, H]."""
    S, out = torch.zeros(k.shape[1], k.shape[2], v.shape[2]), []
    for t in range(len(q)):
        S = g[t].exp()[:, None, None] * S + k[t, :, :, None] * v[t, :, None, :]
        out.append(torch.einsum("hk,hkv->hv", q[t], S))
    return torch.stack(out)


def row_loop(q, k, v, g):
    S, out = torch.zeros(k.shape[1], k.shape[2], v.shape[2]), []
    for t in range(len(q)):
        S = g[t].exp()[:, :, None] * S + k[t, :, :, None] * v[t, :, None, :]
        out.append(torch.einsum("hk,hkv->hv", q[t], S))
    return torch.stack(out)


def element_loop(dt, x, A, B, C):
    """Mamba-1's slow path: [T, D], [T, D], [D, N], [T, N], [T, N]."""
    decay, write = torch.exp(dt[:, :, None] * A), (dt * x)[:, :, None] * B[:, None]
    S, out = torch.zeros_like(A), []
    for t in range(len(x)):
        S = decay[t] * S + write[t]
        out.append(S @ C[t])
    return torch.stack(out)


def channel_loop(g, v):
    S, out = torch.zeros(v.shape[1]), []
    for t in range(len(v)):
        S = g[t].exp() * S + v[t]
        out.append(S)
    return torch.stack(out)


def rank1(function):
    return lambda q, k, v, g, beta: function(q[None], k[None], v[None], g=g[None], beta=beta[None])[0]


def ssd(q, k, v, g):
    """Chunked: dt = 1 per token is folded into g, so A = -1 and dt = -g, values divided by dt again."""
    dt = -g
    return mamba2_chunk_scan((v / dt[:, :, None])[None], dt[None], -torch.ones(v.shape[1]), k[None], q[None], 64)


def heads(T, H, K, V, row=False):
    unit = torch.nn.functional.normalize(torch.randn(T, H, K), dim=-1)
    return [torch.randn(T, H, K), unit, torch.randn(T, H, V), -torch.rand(T, H, K) * 0.1 if row else -torch.rand(T, H) * 0.1 - 1e-3]


CASES = {  # (peer, function)
    "scalar": [("token loop", scalar_loop), ("transformers mamba2_chunk_scan", ssd)],
    "row": [("token loop", row_loop)],
    "rank1": [("transformers torch_recurrent_gated_delta_rule", rank1(torch_recurrent_gated_delta_rule)),
              ("transformers torch_chunk_gated_delta_rule", rank1(torch_chunk_gated_delta_rule))],
    "element": [("token loop", element_loop)],
    "channel": [("token loop", channel_loop)],
}


def inputs(kind, shape):
    T = shape["T"]
    if kind == "element":
        D, N = shape["D"], shape["N"]
        return [torch.rand(T, D) * 0.1, torch.randn(T, D), -torch.arange(1.0, N + 1).repeat(D, 1), torch.randn(T, N), torch.randn(T, N)]
    if kind == "channel":
        return [-torch.rand(T, shape["D"]), torch.randn(T, shape["D"])]
    out = heads(T, shape["H"], shape["K"], shape["V"], kind == "row")
    return out + [torch.rand(T, shape["H"])] if kind == "rank1" else out


def rate(run, tokens: int, seconds: float = 1.0) -> float:
    run()
    start, n = time.perf_counter(), 0
    while n == 0 or time.perf_counter() - start < seconds:
        run()
        n += 1
    return n * tokens / (time.perf_counter() - start)


def measure(function, args, tokens: int) -> tuple[float, float]:
    with torch.no_grad():
        forward = rate(lambda: function(*args), tokens)
    leaves = [a.requires_grad_() for a in args]

    def both():
        torch.autograd.grad(function(*leaves).sum(), leaves, allow_unused=True)

    return forward, rate(both, tokens)


def parse(text: str) -> list[dict]:
    """bench_glr's blocks: a head line with the shape, then rates; of two algorithms the one the program chooses by itself."""
    cases = []
    for line in text.splitlines():
        head = re.match(r"(scalar|row \+ rank 1|row|element|channel)[^:]*: ((?:[A-Z] \d+ ?)+)", line)
        if head:
            kind = "rank1" if "rank" in head[1] else head[1]
            cases.append({"structure": kind, "shape": {k: int(n) for k, n in re.findall(r"([A-Z]) (\d+)", head[2])}, "rates": {}})
        elif rate_line := re.match(r"  (\S.*?)\s+(\d+) tokens/s", line):
            cases[-1]["rates"][rate_line[1]] = float(rate_line[2])
        elif chosen := re.match(r"  automatic: (\w+)", line):
            cases[-1]["chosen"] = chosen[1]
    for case in cases:
        chunked = case.get("chosen") == "chunked"
        rates = case["rates"]
        case["forward"] = rates.get("forward") or rates["forward, chunked" if chunked else "forward, sequential"]
        case["forward_backward"] = rates.get("forward+back") or rates["forward+back, chunked" if chunked else "forward+back, sequ."]
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, help="the bench_glr program")
    args = parser.parse_args()
    torch.set_num_threads(1)
    text = subprocess.run([args.bench], check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}).stdout
    print(text)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {platform.processor() or platform.machine()}, 1 thread each")
    print(f"{'structure':10} {'shape':28} {'peer':48} {'forward':>10} {'ratio':>7} {'fwd+bwd':>10} {'ratio':>7}")
    for case in parse(text):
        shape = " ".join(f"{k}={v}" for k, v in case["shape"].items())
        for name, function in CASES[case["structure"]]:
            forward, both = measure(function, inputs(case["structure"], case["shape"]), case["shape"]["T"])
            print(f"{case['structure']:10} {shape:28} {name:48} {forward:10.0f} {case['forward'] / forward:6.1f}x {both:10.0f} "
                  f"{case['forward_backward'] / both:6.1f}x")


if __name__ == "__main__":
    main()
