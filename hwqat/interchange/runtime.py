"""The models that are written, by the tools that others run them with: onnxruntime, and the qonnx package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import HwqatError
from ..graph import Graph

#: Frames in one call: enough to be fast, few enough for memory.
BATCH = 64
_TYPES = {"tensor(int8)": np.int8, "tensor(uint8)": np.uint8, "tensor(int32)": np.int32, "tensor(int64)": np.int64}


def run_integers(model: bytes | str | Path, graph: Graph, frames: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Each output's int64 (N, H, W, C) by onnxruntime on the CPU.

    Args:
        model: a serialised ModelProto, or the path of one.
        frames: for each input node of ``graph``, integers (N, H, W, C).
    """
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise HwqatError("running an ONNX file needs the onnxruntime package; pip install 'hwqat[onnx]'") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    session = onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
    )
    takes = [(port.name, _TYPES[port.type]) for port in session.get_inputs()]
    found = []
    for start in range(0, len(frames[0]), BATCH):
        part = slice(start, start + BATCH)
        feeds = {name: x[part].transpose(0, 3, 1, 2).astype(dtype) for (name, dtype), x in zip(takes, frames, strict=True)}
        found.append(session.run(None, feeds))
    outputs = [node.out for node in graph.of("output")]
    return tuple(
        _channels_last(np.concatenate(parts), out.shape).astype(np.int64) for parts, out in zip(zip(*found), outputs, strict=True)
    )


def run_qonnx(model, graph: Graph, frames: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Each output's real values (N, H, W, C) by the qonnx package's executor, all frames as one batch.

    Args:
        model: a ModelProto that `hwqat.interchange.qonnx` wrote. frames: as for `run_integers`.
    """
    try:
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
        from qonnx.transformation.infer_shapes import InferShapes
    except ModuleNotFoundError:
        raise HwqatError("running a QONNX file needs the qonnx package; pip install 'hwqat[onnx]'") from None
    wrapper = ModelWrapper(model, make_deepcopy=True)
    del wrapper.graph.value_info[:]  # shapes of another batch
    for port in (*wrapper.graph.input, *wrapper.graph.output):
        port.type.tensor_type.shape.dim[0].dim_value = len(frames[0])
    wrapper = wrapper.transform(InferShapes())
    inputs = [node.out for node in graph.of("input")]
    feeds = {
        port.name: ((frame - x.zero_point) * x.scale).transpose(0, 3, 1, 2).astype(np.float32)
        for port, x, frame in zip(wrapper.graph.input, inputs, frames, strict=True)
    }
    found = execute_onnx(wrapper, feeds)
    outputs = [node.out for node in graph.of("output")]
    return tuple(_channels_last(found[port.name], out.shape) for port, out in zip(wrapper.graph.output, outputs, strict=True))


def _channels_last(y: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """(N, C, H, W) or (N, C) -> (N, H, W, C)."""
    height, width, channels = shape
    return y.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
