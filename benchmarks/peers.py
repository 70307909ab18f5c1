"""The same networks in other tools. Each function raises `Missing` with what to install."""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import os
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

INSTALL = "pip install -e '.[bench]'"


class Missing(Exception):
    """A peer that is not installed, or cannot take the network; one line."""


def _import(name: str):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError as error:
        raise Missing(f"{name} is not installed ({error}): {INSTALL}") from error


# ---- training


def torch_ao(net: nn.Module, example: torch.Tensor) -> nn.Module:
    """torch.ao's FX mode for training: batch norms folded, moving-average ranges, weights per channel."""
    fx = _import("torch.ao.quantization.quantize_fx")
    ao = _import("torch.ao.quantization")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fx.prepare_qat_fx(copy.deepcopy(net).train(), ao.get_default_qat_qconfig_mapping("x86"), (example,))


def brevitas(net: nn.Module, example: torch.Tensor) -> nn.Module:
    """Brevitas at 8 bits, layer by layer: weights per tensor, unsigned after a ReLU, signed on shortcuts and input."""
    qnn = _import("brevitas.nn")
    quant = _import("brevitas.quant")
    net = copy.deepcopy(net).train()
    signed = lambda: qnn.QuantIdentity(act_quant=quant.Int8ActPerTensorFloat)  # noqa: E731

    def converted(module: nn.Module) -> nn.Module | None:
        if isinstance(module, nn.Conv2d):
            return qnn.QuantConv2d(
                module.in_channels,
                module.out_channels,
                module.kernel_size,
                module.stride,
                module.padding,
                module.dilation,
                module.groups,
                module.padding_mode,
                module.bias is not None,
                weight_quant=quant.Int8WeightPerTensorFloat,
            )
        if isinstance(module, nn.Linear):
            return qnn.QuantLinear(
                module.in_features,
                module.out_features,
                bias=module.bias is not None,
                weight_quant=quant.Int8WeightPerTensorFloat,
            )
        if isinstance(module, nn.ReLU):
            return qnn.QuantReLU(act_quant=quant.Uint8ActPerTensorFloat)
        return None

    for path, module in reversed(
        list(net.named_modules())
    ):  # children before their parents, whose paths then still lead
        if new := converted(module):
            new.load_state_dict(module.state_dict(), strict=False)
            net.set_submodule(path, new)
        elif path.endswith("shortcut"):  # convolution and batch norm: what comes out is rounded, as in hwqat
            net.set_submodule(path, nn.Sequential(module, signed()))
    return nn.Sequential(signed(), net)


# ---- C-simulation


def hls4ml_csim(
    net: nn.Module,
    image: tuple[int, int, int],
    folder: Path,
    precision: str = "ap_fixed<16,6>",
    granularity: str = "model",
) -> Callable[[np.ndarray], np.ndarray]:
    """hls4ml's C-simulation of a float network, streaming.

    precision: of everything, with granularity "model"; with "name", of weights and activations, while each layer's
    accumulator gets the bits that it needs. Gives a function of float32 frames (N, H, W, C), contiguous. Building
    takes about a minute.
    """
    converters, config = _import("hls4ml.converters"), _import("hls4ml.utils.config")
    net = copy.deepcopy(net).eval()
    for path, module in list(net.named_modules()):
        if isinstance(module, nn.AdaptiveAvgPool2d):  # hls4ml does not know it; the window is what it comes down to
            net.set_submodule(path, nn.AvgPool2d(_size_at(net, path, image)))
    try:
        with _quiet():
            settings = config.config_from_pytorch_model(
                net,
                image,
                granularity=granularity,
                backend="Vitis",
                default_precision=precision,
                default_reuse_factor=1,
                channels_last_conversion="full",
                transpose_outputs=False,
            )
            settings["Model"]["Strategy"] = "Resource"
            model = converters.convert_from_pytorch_model(
                net, hls_config=settings, backend="Vitis", io_type="io_stream", output_dir=str(folder)
            )
            model.compile()
    except Exception as error:  # whatever it cannot take, it says so in its own ways
        raise Missing(
            f"hls4ml cannot build this network: {str(error) or type(error).__name__}".splitlines()[0]
        ) from error

    def predict(frames: np.ndarray) -> np.ndarray:
        with _quiet():
            return model.predict(np.ascontiguousarray(frames, dtype=np.float32))

    return predict


def _size_at(net: nn.Module, path: str, image: tuple[int, int, int]) -> tuple[int, int]:
    """(H, W) of what arrives at a module."""
    sizes = []
    hook = net.get_submodule(path).register_forward_hook(
        lambda module, args, out: sizes.append(tuple(args[0].shape[2:]))
    )
    with torch.no_grad():
        net(torch.zeros(1, *image))
    hook.remove()
    return sizes[0]


@contextlib.contextmanager
def _quiet():
    """Nothing on standard output, from Python or from the programs it starts."""
    with contextlib.redirect_stdout(io.StringIO()), open(os.devnull, "w") as nothing:
        kept = os.dup(1)
        os.dup2(nothing.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


def compiler() -> str:
    """The first line that g++ says of itself."""
    try:
        return subprocess.run(["g++", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, IndexError):
        return "none"
