"""Published models whose kernels are Triton's (flash-linear-attention, mamba_ssm) on a CPU, in Triton's interpreter.

The published code is imported from the checkout given with `--ref` and not changed; what stands between it and this machine are
the shims in this file: the first configuration of every autotuned kernel instead of the fastest, libdevice functions by numpy, and,
inside `in_double`, float64 wherever torch code or kernels say float32.
"""

import argparse
import ast
import contextlib
import importlib
import math
import os
import sys
import types

os.environ.update(TRITON_INTERPRET="1", TORCHDYNAMO_DISABLE="1", FLA_CONV_BACKEND="triton")

import numpy as np  # noqa: E402
import torch  # noqa: E402
import triton  # noqa: E402
import triton.language as tl  # noqa: E402
from triton.runtime import interpreter  # noqa: E402
from triton.runtime.autotuner import Autotuner  # noqa: E402

from arch_common import checkout_commit  # noqa: E402
from common import true_double  # noqa: E402


def first_configuration() -> None:
    """No benchmark in the interpreter; a tuning key that is no argument of its kernel, which Triton 3.9 refuses, does not matter then."""
    init = Autotuner.__init__

    def lenient(self, fn, arg_names, configs, key, *args, **kwargs):
        init(self, fn, arg_names, configs[:1], [k for k in key if k in arg_names], *args, **kwargs)

    Autotuner.__init__ = lenient


def patch_once() -> None:
    """The interpreter puts its own functions into triton.language at every launch and every call of a device function; once is enough."""
    patch, done = interpreter._patch_lang, {}

    def patched(fn):
        langs = tuple(sorted(name for name, v in fn.__globals__.items() if v is tl or v is tl.core))
        done.setdefault(langs, None) or done.update({langs: patch(fn)})
        return types.SimpleNamespace(restore=lambda: None)

    interpreter._patch_lang = patched


def visit_call(self, node):
    """x.to(...) of a loop's counter, which is a Python int in the interpreter and a tensor on a device."""
    self.generic_visit(node)
    if isinstance(node.func, ast.Attribute) and node.func.attr == "to":
        to_tensor = ast.Attribute(ast.Name("interpreter_semantic", ast.Load()), "to_tensor", ast.Load())
        node.func.value = ast.Call(to_tensor, [node.func.value, ast.Constant(False)], [])
    return node


def arguments(description: str, repository: str = "fla-org/flash-linear-attention", package: str = "fla") -> argparse.Namespace:
    """Parses --ref, a checkout of the repository, and makes its package importable."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--ref", required=True, help=f"checkout of {repository}")
    parser.add_argument("--commit", help="its commit, where the folder is an export without .git")
    args = parser.parse_args()
    args.commit = args.commit or checkout_commit(args.ref)
    sys.path.insert(0, args.ref)
    first_configuration()
    patch_once()
    torch.cuda.device = lambda index: contextlib.nullcontext()  # there is none to choose
    torch.cuda.get_device_properties = lambda index: types.SimpleNamespace(multi_processor_count=1, warp_size=32)
    interpreter.ASTTransformer.visit_Call = visit_call
    importlib.import_module(package)
    for module in published():
        if getattr(module, "gather", None) is tl.gather:  # the interpreter replaces tl.gather only while a kernel runs
            module.gather = lambda *a, **k: tl.gather(*a, **k)
    torch.set_num_threads(1)
    return args


def published() -> list[types.ModuleType]:
    return [m for name, m in list(sys.modules.items()) if name.startswith(("fla.", "mamba_ssm."))]


def functions_of(modules: list):
    """Every function and method of the modules, under its decorators."""
    for module in modules:
        for value in list(vars(module).values()):
            members = list(vars(value).values()) if isinstance(value, type) else [value]
            for f in members:
                f = getattr(f, "__func__", f)
                while hasattr(f, "__wrapped__"):
                    f = f.__wrapped__
                if isinstance(f, types.FunctionType):
                    yield f


def guard(arg):
    assert not (isinstance(arg, torch.Tensor) and arg.dtype == torch.float32), "a kernel was given single precision"
    return convert(arg)


convert = interpreter._implicit_cvt


@contextlib.contextmanager
def in_double():
    """Every float32 of the public torch code, of its kernels and of Triton's interpreter is float64."""
    modules = published()
    single, defaults = tl.float32, {f: f.__defaults__ for f in functions_of(modules) if any(v is torch.float32 for v in f.__defaults__ or ())}
    constants = [m for m in modules if hasattr(m, "RCP_LN2")]
    rounded = [m.RCP_LN2 for m in constants]
    for f, values in defaults.items():
        f.__defaults__ = tuple(torch.float64 if v is torch.float32 else v for v in values)
    for m in constants:
        m.RCP_LN2 = 1 / math.log(2)
    tl.float32 = tl.core.float32 = tl.float64
    interpreter._implicit_cvt = guard
    try:
        with true_double(*(m for m in modules if getattr(m, "torch", None) is torch)):
            yield
    finally:
        interpreter._implicit_cvt = convert
        tl.float32 = tl.core.float32 = single
        for m, value in zip(constants, rounded):
            m.RCP_LN2 = value
        for f, values in defaults.items():
            f.__defaults__ = values
