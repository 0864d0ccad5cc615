"""Every key of the published configuration classes with its default: tests/golden/configs.json.

    python configs.py --fla CHECKOUT --fla-commit C --mamba CHECKOUT --mamba-commit C

transformers is imported; flash-linear-attention and mamba_ssm are read from checkouts without being run.
"""

import argparse
import ast
import json
import math
from pathlib import Path

import transformers
from transformers import (
    FalconMambaConfig,
    GPTNeoXConfig,
    LlamaConfig,
    Mamba2Config,
    MambaConfig,
    PreTrainedConfig,
    Qwen3Config,
    RecurrentGemmaConfig,
    RwkvConfig,
    xLSTMConfig,
)

TRANSFORMERS = [LlamaConfig, Qwen3Config, GPTNeoXConfig, RecurrentGemmaConfig, MambaConfig, Mamba2Config, FalconMambaConfig, RwkvConfig, xLSTMConfig]
FLA = ["gla", "retnet", "hgrn2", "delta_net", "gated_deltanet", "kda", "gated_deltaproduct", "rwkv7"]
MAMBA_SSM = {"mamba": ("mamba_simple", "Mamba", "Mamba1"), "mamba2": ("mamba2", "Mamba2", "Mamba2"), "mamba3": ("mamba3", "Mamba3", "Mamba3")}
NOT_SETTINGS = {"self", "layer_idx", "device", "dtype", "process_group", "n_layer", "d_model", "kwargs"}


def value(node: ast.expr):
    """A default as JSON has it; infinity as Hugging Face writes it."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name == "float":
            return {"__float__": "Infinity"}
        return [] if "list" in ast.dump(node) else {}
    if isinstance(node, (ast.Tuple, ast.List)):
        return [value(item) for item in node.elts]
    return ast.literal_eval(node)


def init_defaults(path: Path, name: str) -> dict:
    tree = ast.parse(path.read_text())
    cls = next(n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == name)
    init = next(n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
    arguments = init.args.args[len(init.args.args) - len(init.args.defaults):]
    return {a.arg: value(d) for a, d in zip(arguments, init.args.defaults) if a.arg not in NOT_SETTINGS}


def dataclass_defaults(path: Path, name: str) -> dict:
    tree = ast.parse(path.read_text())
    cls = next(n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == name)
    return {n.target.id: value(n.value) for n in cls.body if isinstance(n, ast.AnnAssign)}


def config_class(path: Path) -> str:
    tree = ast.parse(path.read_text())
    return next(n.name for n in tree.body if isinstance(n, ast.ClassDef) and n.name.endswith("Config"))


def plain(config: PreTrainedConfig) -> dict:
    def clean(v):
        if isinstance(v, float) and math.isinf(v):
            return {"__float__": "Infinity"}
        if isinstance(v, (list, tuple)):
            return [clean(x) for x in v]
        return {k: clean(x) for k, x in v.items()} if isinstance(v, dict) else v

    return clean(config.to_dict())


def derived(config: PreTrainedConfig) -> list[str]:
    """Keys whose value follows from others rather than from a default of their own."""
    fields = type(config).__dataclass_fields__
    kept = {"rope_parameters", "model_type", "transformers_version"}  # rope_parameters: filled in with constants
    return [k for k, v in config.to_dict().items() if k not in kept and (k not in fields or as_list(fields[k].default) != as_list(v))]


def as_list(v):
    return list(v) if isinstance(v, tuple) else v


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fla", type=Path, required=True)
    parser.add_argument("--fla-commit", required=True)
    parser.add_argument("--mamba", type=Path, required=True)
    parser.add_argument("--mamba-commit", required=True)
    args = parser.parse_args()
    out = []
    for cls in TRANSFORMERS:
        out.append({"model_type": cls.model_type, "source": f"transformers {transformers.__version__} {cls.__name__}", "keys": plain(cls()),
                    "derived": derived(cls())})
    for name in FLA:
        path = args.fla / "fla" / "models" / name / f"configuration_{name}.py"
        cls = config_class(path)
        out.append({"model_type": name, "source": f"flash-linear-attention {args.fla_commit[:12]} {cls}", "keys": init_defaults(path, cls)})
    for name, (module, cls, layer) in MAMBA_SSM.items():
        keys = dataclass_defaults(args.mamba / "mamba_ssm" / "models" / "config_mamba.py", "MambaConfig")
        keys["ssm_cfg"] = {"layer": layer, **init_defaults(args.mamba / "mamba_ssm" / "modules" / f"{module}.py", cls)}
        out.append({"model_type": name, "source": f"mamba_ssm {args.mamba_commit[:12]} MambaConfig and {cls}", "keys": keys})
    path = Path(__file__).resolve().parents[2] / "tests" / "golden" / "configs.json"
    path.write_text(json.dumps(out, indent=1) + "\n")
    print(path, len(out))


if __name__ == "__main__":
    main()
