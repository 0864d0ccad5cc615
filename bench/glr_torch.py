#!/usr/bin/env python3
"""The shapes of bench_glr in PyTorch on the CPU: chunked forms of batched matrix products, checked against plain loops.

  OMP_NUM_THREADS=1 python3 bench/glr_torch.py
"""
import time

import torch

CHUNK = 64


def best_seconds(step, budget=2.0):
    step()
    best, spent = float("inf"), 0.0
    while spent < budget:
        start = time.perf_counter()
        step()
        seconds = time.perf_counter() - start
        best, spent = min(best, seconds), spent + seconds
    return best


def loop(q, k, v, g, beta=None):
    """The definition: q, k [H, T, K], v [H, T, V], g [H, T, 1 or K], beta [H, T] for the delta rule."""
    S = torch.zeros(q.shape[0], q.shape[2], v.shape[2], dtype=q.dtype)  # [H, K, V]
    out = []
    for t in range(q.shape[1]):
        S = g[:, t, :, None].exp() * S
        w = v[:, t]
        if beta is not None:
            w = beta[:, t, None] * (w - torch.einsum("hk,hkv->hv", k[:, t], S))
        S = S + k[:, t, :, None] * w[:, None, :]
        out.append(torch.einsum("hk,hkv->hv", q[:, t], S))
    return torch.stack(out, 1)


def by_chunk(x):
    return x.unflatten(1, (-1, CHUNK))  # [H, chunks, CHUNK, ...]


def chunked(q, k, v, g, beta=None):
    """Block products within a chunk, a loop over chunks; a delta rule through the inverse of its triangle."""
    q, k, v, G = by_chunk(q), by_chunk(k), by_chunk(v), by_chunk(g).cumsum(2)
    end = G[:, :, -1:]
    if g.shape[2] == 1:
        decay = (G - G.transpose(2, 3)).tril().exp().tril()  # [H, chunks, CHUNK, CHUNK]
        score = lambda a, b: (a @ b.transpose(2, 3)) * decay
    else:
        score = lambda a, b: ((a * G.exp()) @ (b * (-G).exp()).transpose(2, 3)).tril()
    reads, ends = q * G.exp(), k * (end - G).exp()
    P = score(q, k)
    if beta is not None:
        b = by_chunk(beta)[..., None]
        triangle = torch.eye(CHUNK, dtype=q.dtype) + (b * score(k, k)).tril(-1)
        solved = torch.linalg.solve_triangular(triangle, torch.cat((b * v, b * k * G.exp()), 3), upper=False)
        v, erased = solved[..., : v.shape[3]], solved[..., v.shape[3]:]
    S = torch.zeros(q.shape[0], q.shape[3], v.shape[3], dtype=q.dtype)
    out = []
    for i in range(q.shape[1]):
        w = v[:, i] if beta is None else v[:, i] - erased[:, i] @ S
        out.append(reads[:, i] @ S + P[:, i] @ w)
        S = end[:, i].transpose(1, 2).exp() * S + ends[:, i].transpose(1, 2) @ w
    return torch.stack(out, 1).flatten(1, 2)


def problem(T, H, G, K, V, row, delta, dtype):
    torch.manual_seed(1)
    q, k = torch.randn(G, T, K, dtype=dtype), torch.nn.functional.normalize(torch.randn(G, T, K, dtype=dtype), dim=2)
    q, k = (x.repeat_interleave(H // G, 0) for x in (q, k))
    g = -0.001 - 0.5 * torch.rand(H, T, K if row else 1, dtype=dtype)
    beta = torch.rand(H, T, dtype=dtype) if delta else None
    return [q, k, torch.randn(H, T, V, dtype=dtype), g, beta]


def bench(name, T, H, G, K, V, row=False, delta=False):
    exact = problem(2 * CHUNK, H, G, K, V, row, delta, torch.float64)
    error = (chunked(*exact) - loop(*exact)).abs().max().item()
    assert error < 1e-9, f"{name}: chunked form differs by {error}"
    inputs = problem(T, H, G, K, V, row, delta, torch.float32)
    with torch.no_grad():
        forward = best_seconds(lambda: chunked(*inputs))
    for x in inputs:
        if x is not None:
            x.requires_grad_()

    def both():
        chunked(*inputs).sum().backward()
        for x in inputs:
            if x is not None:
                x.grad = None

    print(f"{name}: T {T} H {H} K {K} V {V}: forward {T / forward:.0f} tokens/s, "
          f"forward+back {T / best_seconds(both):.0f} tokens/s", flush=True)


def main():
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread(s)")
    bench("scalar (Mamba-2)", 512, 24, 1, 128, 64)
    bench("row (GLA, RWKV-6)", 512, 12, 12, 64, 64, row=True)
    bench("row + rank 1 (KDA)", 512, 12, 12, 64, 64, row=True, delta=True)


if __name__ == "__main__":
    main()
