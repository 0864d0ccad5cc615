"""Tiny random stacks of torch.nn.RNN, GRU and LSTM as language models: tests/golden/arch/{rnn,gru,lstm}*.safetensors.

Rows are those of the cell with its gates and tanh(z)/z held: one map a layer, the mean over the outputs' channels of the sum
over everything a token feeds into the gates.
"""

import torch
from torch import nn

from arch_common import double_parameters, write_case

BASE = dict(vocab_size=31, hidden_size=14, num_hidden_layers=2, tie_word_embeddings=False)
CASES = {
    "rnn": (91, nn.RNN, dict(BASE, model_type="rnn", nonlinearity="tanh")),
    "rnn-relu": (92, nn.RNN, dict(BASE, model_type="rnn", nonlinearity="relu")),
    "gru": (93, nn.GRU, dict(BASE, model_type="gru")),
    "lstm": (94, nn.LSTM, dict(BASE, model_type="lstm")),
}


class LanguageModel(nn.Module):
    def __init__(self, layer_class, config: dict):
        super().__init__()
        d = config["hidden_size"]
        more = {"nonlinearity": config["nonlinearity"]} if "nonlinearity" in config else {}
        self.encoder = nn.Embedding(config["vocab_size"], d)
        self.rnn = layer_class(d, d, num_layers=config["num_hidden_layers"], **more)
        self.decoder = nn.Linear(d, config["vocab_size"])

    def forward(self, tokens):
        return self.decoder(self.rnn(self.encoder(tokens))[0])


def held(function, z: torch.Tensor) -> torch.Tensor:
    """function(z) as a constant slope times z."""
    return (function(z) / z).detach() * z


def frozen_cell(kind: str, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Outputs [T, d] from x = W_ih u + b_ih [T, gates * d], linear in x: gates held."""
    d = weight.shape[1]
    h = c = torch.zeros(d, dtype=x.dtype)
    out = []
    for row in x:
        a = weight @ h + bias
        if kind in ("tanh", "relu"):
            h = held(getattr(torch, kind), row + a)
        elif kind == "gru":
            (xr, xz, xn), (ar, az, an) = row.split(d), a.split(d)
            r, z = torch.sigmoid(xr + ar).detach(), torch.sigmoid(xz + az).detach()
            h = (1 - z) * held(torch.tanh, xn + r * an) + z * h
        else:
            i, f, g, o = (row + a).split(d)
            c = torch.sigmoid(f).detach() * c + torch.sigmoid(i).detach() * held(torch.tanh, g)
            h = torch.sigmoid(o).detach() * held(torch.tanh, c)
        out.append(h)
    return torch.stack(out)


def layer_rows(model: LanguageModel, kind: str, tokens: torch.Tensor) -> list[torch.Tensor]:
    u, rows = model.encoder(tokens).detach(), []
    for layer in range(model.rnn.num_layers):
        w_ih, w_hh, b_ih, b_hh = (getattr(model.rnn, f"{name}_l{layer}").detach() for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        x = (u @ w_ih.T + b_ih).requires_grad_()
        y = frozen_cell(kind, x, w_hh, b_hh)
        (dx,) = torch.autograd.grad(y[-1].mean(), x)
        rows.append(dx.sum(1)[None])  # [1, T]
        u = y.detach()
    assert torch.allclose(u, model.rnn(model.encoder(tokens))[0].detach(), rtol=1e-12, atol=1e-13)
    return rows


def main() -> None:
    torch.set_num_threads(1)
    for name, (seed, layer_class, config) in CASES.items():
        model = LanguageModel(layer_class, config)
        parameters = double_parameters(model, seed, [("weight_ih", "normal", 0.0, 0.4), ("weight_hh", "normal", 0.0, 0.25)])
        kind = config.get("nonlinearity", config["model_type"])
        write_case(name, config, parameters, model, lambda tokens: layer_rows(model, kind, tokens), seed=seed, vocab=config["vocab_size"],
                   reference=f"torch {torch.__version__} nn.{layer_class.__name__}")


if __name__ == "__main__":
    main()
