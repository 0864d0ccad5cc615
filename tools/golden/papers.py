"""What the code released with two papers makes of a tiny Mamba: tests/golden/papers/mamba_tied.safetensors.

    python papers.py --ref HIDDEN_MAMBA_ATTN UNIFIED_IMPLICIT_ATTN_REPR    (checkouts; their commits go into the file)

Run from their files as they are: the whole maps of 16 tokens and their ablations, the rows (compute_middle_attn_vector, compute_attn_vector_fn), raw attention, rollout and
attribution (xai_utils.py), and the attribution of the second paper (generate_ours of imagenet_seg_eval.py). They explain
position 98, so texts have 99 tokens, and the score of that position itself is left out. Neither repository has a licence
file; nothing of them is stored here but these numbers. The model is the one of tests/golden/mamba/mamba_tied, its forward
pass written out below and compared with the logits there. Needs torch, safetensors, numpy and einops.
"""

import argparse
import ast
import json
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from common import GOLDEN_DIR, write_tensors

SEED, TOKENS, POSITION, FEW = 7, 99, 98, 16


def commit_of(folder: Path) -> str:
    return subprocess.run(["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()


def functions_of(path: Path, *names: str, constants: dict[str, object] = {}, **given) -> types.SimpleNamespace:
    """Functions of a file whose imports need a GPU: their source alone is run, with some of its constants replaced."""
    space = {"torch": torch, "F": F, "np": np, **given}
    for node in ast.parse(path.read_text()).body:
        if not isinstance(node, ast.FunctionDef) or node.name not in names:
            continue
        for line in ast.walk(node):
            if isinstance(line, ast.Assign) and getattr(line.targets[0], "id", "") in constants:
                line.value = ast.copy_location(ast.Constant(constants[line.targets[0].id]), line.value)
        exec(compile(ast.Module([node], []), str(path), "exec"), space)
    return types.SimpleNamespace(**{name: space[name] for name in names})


class Layer:
    """A block as the released functions see it."""

    def __init__(self):
        self.mixer = types.SimpleNamespace()
        self.stream = None

    def get_gradients(self):
        return self.stream.grad


class Mamba:
    def __init__(self, weights: dict[str, torch.Tensor], config: dict, hidden, unified):
        self.w, self.config, self.hidden, self.unified = weights, config, hidden, unified
        self.layers = [Layer() for _ in range(config["num_hidden_layers"])]

    def rms(self, x, weight):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.config["layer_norm_epsilon"]) * weight

    def block(self, layer: Layer, x, at: str):
        w = lambda name: self.w[at + name]
        bias = lambda name: self.w.get(at + name)
        u, z = F.linear(x, w("in_proj.weight"), bias("in_proj.bias")).T[None].chunk(2, dim=1)  # [1, D, T]
        T, K = u.shape[-1], self.config["conv_kernel"]
        c = F.conv1d(u, w("conv1d.weight"), bias("conv1d.bias"), padding=K - 1, groups=u.shape[1])[..., :T]
        v = F.silu(c)
        rank, N = w("dt_proj.weight").shape[1], self.config["state_size"]
        dt, B, C = F.linear(v[0].T, w("x_proj.weight")).split([rank, N, N], -1)
        delta, A = F.linear(dt, w("dt_proj.weight")).T[None], -torch.exp(w("A_log"))
        steps = F.softplus(delta + w("dt_proj.bias")[None, :, None])
        S, ys = 0, []
        for t in range(T):
            S = torch.exp(steps[0, :, t, None] * A) * S + steps[0, :, t, None] * B[t] * v[0, :, t, None]
            ys.append(S @ C[t])
        y = torch.stack(ys, -1) + w("D")[:, None] * v[0]
        if T == FEW:
            layer.maps = self.maps(delta, w, A, B.T[None, None], C.T[None, None], u, z, c)
        if T == TOKENS:
            self.explain(layer.mixer, delta, w, A, B.T[None, None], C.T[None, None], u, z, c)
        return F.linear((y * F.silu(z[0])).T, w("out_proj.weight"), bias("out_proj.bias"))

    def maps(self, delta, w, A, B, C, u, z, c):
        """Products of whole matrices, as in selective_scan_interface.py's ablations; means over channels."""
        with torch.no_grad():
            alpha = self.unified.compute_attn_matrix_fn(delta, w("dt_proj.bias"), A, B, C, FEW, u.shape, dtype=torch.float64)
            conv = self.unified.conv2Mat(w("conv1d.weight").squeeze(1), FEW).transpose(-1, -2)
            gate, act = torch.diag_embed(F.silu(z)), torch.diag_embed(torch.sigmoid(c))
            all = {"S6Attention": alpha, "finalMat": gate @ alpha @ act @ conv, "withoutConv": gate @ alpha @ act,
                   "withoutGate": alpha @ act @ conv, "withoutAct": gate @ alpha @ conv}
            return {name: m[0].mean(0) for name, m in all.items()}

    def explain(self, mixer, delta, w, A, B, C, u, z, c):
        with torch.no_grad():
            mixer.xai_b = self.hidden.compute_middle_attn_vector(delta, w("dt_proj.bias"), A, B, C, TOKENS, u.shape)
            row = self.unified.compute_attn_vector_fn(
                delta, w("dt_proj.bias"), A, B, C, TOKENS, u.shape, dtype=torch.float64, pos=POSITION, numlines=1).squeeze(-2)
            kernel = w("conv1d.weight").flip(dims=[-1])
            conv = F.conv1d(row * torch.sigmoid(c), kernel, groups=u.shape[1], padding=4)[..., 4:TOKENS + 4]
            mixer.attn_vec = F.silu(z[:, :, POSITION]).unsqueeze(-1) * conv
            mixer.attn_vec_b = torch.zeros_like(mixer.attn_vec)  # there is no other direction

    def logits(self, tokens):
        x = self.w["backbone.embeddings.weight"][tokens]
        for l, layer in enumerate(self.layers):
            at = f"backbone.layers.{l}."
            x = x + self.block(layer, self.rms(x, self.w[at + "norm.weight"]), at + "mixer.")
            if x.requires_grad:
                x.retain_grad()
            layer.stream = x
        return F.linear(self.rms(x, self.w["backbone.norm_f.weight"]), self.w["backbone.embeddings.weight"])

    # What the released functions ask of a model.
    def __call__(self, tokens):
        return self.logits(tokens.tokens)[-1:]

    def zero_grad(self):
        pass


class Text:
    def __init__(self, tokens):
        self.tokens = tokens

    def requires_grad_(self):
        return self


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ref", nargs=2, type=Path, required=True)
    refs = parser.parse_args().ref
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.Tensor.cuda = lambda self: self
    scan = "mamba_ssm/ops/selective_scan_interface.py"
    hidden = functions_of(refs[0] / "mamba-1p1p1" / scan, "compute_middle_attn_vector")
    methods = functions_of(refs[0] / "vim/xai_utils.py", "compute_rollout_attention", "generate_raw_attn", "generate_mamba_attr",
                           "generate_rollout")
    unified = functions_of(refs[1] / "MambaNLP" / scan, "compute_attn_vector_fn", "compute_attn_matrix_fn", "conv2Mat")

    folder = GOLDEN_DIR / "mamba/mamba_tied"
    config = json.loads((folder / "config.json").read_text())
    weights = {k: v.double().requires_grad_() for k, v in load_file(folder / "model.safetensors").items()}
    model = Mamba(weights, config, hidden, unified)
    golden = load_file(folder / "golden.safetensors")
    error = (model.logits(golden["tokens.0"]) - golden["logits_f64.0"]).abs().max().item()
    assert error < 1e-10, error

    text = Text(torch.from_numpy(np.random.default_rng(SEED).integers(0, config["vocab_size"], TOKENS)))
    out = {"tokens": text.tokens}
    L = config["num_hidden_layers"]
    for start in (0, 1):
        out[f"raw.{start}"] = methods.generate_raw_attn(model, text, start)[0]
        out[f"rollout.{start}"] = methods.generate_rollout(model, text, start, L)[0]
        out[f"attribution.{start}"] = methods.generate_mamba_attr(model, text, start)[0]
        second = functions_of(refs[1] / "MambaVision/imagenet_seg_eval.py", "compute_rollout_attention", "generate_ours",
                              constants={"start_layer": start}, modified_model=model)
        out[f"unified.{start}"] = second.generate_ours(model, text)
    model.logits(text.tokens[:FEW])
    for name, values in model.layers[1].maps.items():
        out[f"map.{name}"] = values
    write_tensors(GOLDEN_DIR / "papers/mamba_tied.safetensors", {k: v.detach() for k, v in out.items()},
                  {"model": "mamba/mamba_tied", "seed": SEED, "torch": torch.__version__, "forward_error": error,
                   "references": {"HiddenMambaAttn": commit_of(refs[0]), "UnifiedImplicitAttnRepr": commit_of(refs[1])}})


if __name__ == "__main__":
    sys.exit(main())
