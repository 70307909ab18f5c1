"""Pools."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import HwqatError
from ...ops import Op
from .base import QonnxTensor, Writing, image, regrid, writes


@writes("sum_pool")
def sum_pool(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    out, window, (tensor,), x = w.out, node.geometry, ins, image(w.out, xs[0])
    if any(window.padding) and node.pad_value != tensor.zero_point:
        raise HwqatError(
            f"pool {node.name!r} pads with {node.pad_value}, where zero is {tensor.zero_point}; QONNX pads with zeros only"
        )
    if node.whole(tensor):
        name = out.add("GlobalAveragePool", x.name)
    elif window.dilation != (1, 1):
        raise HwqatError(f"pool {node.name!r} (module {node.module!r}) is dilated; QONNX has no such average")
    else:
        name = out.add(
            "AveragePool",
            x.name,
            kernel_shape=window.kernel,
            strides=window.stride,
            pads=window.padding,
            count_include_pad=1,
        )
    made = QonnxTensor(name, x.unit / window.taps, np.full(node.out.channels, tensor.zero_point * window.taps))
    return made if w.plain else regrid(out, made, node.out)


@writes("max_pool")
def max_pool(w: Writing, node: Op, ins, xs) -> QonnxTensor:
    window, x = node.geometry, image(w.out, xs[0])
    if any(pad >= size for pad, size in zip(window.padding, 2 * window.kernel)):
        raise HwqatError(
            f"pool {node.name!r} (module {node.module!r}) pads {window.padding} around a window of {window.kernel}; ONNX's "
            "pools pad by less than their window; pad in front of it"
        )
    name = w.out.add(
        "MaxPool",
        x.name,
        kernel_shape=window.kernel,
        strides=window.stride,
        dilations=window.dilation,
        pads=window.padding,
    )
    return replace(x, name=name)
