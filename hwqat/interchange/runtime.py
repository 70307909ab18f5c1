"""The models that are written, by the tools that others run them with: onnxruntime, and the qonnx package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import HwqatError
from ..graph import Graph

#: No saturating kernels on x86 processors without VNNI.
EXACT = ("session.x64quantprecision", "1")
#: Frames in one call of onnxruntime: enough to be fast, few enough for memory.
BATCH = 64
#: Integers that one call of the qonnx package may make: it keeps all tensors, and makes a session for each node.
MOST_VALUES = 1 << 26
_TYPES = {"tensor(int8)": np.int8, "tensor(uint8)": np.uint8, "tensor(int32)": np.int32, "tensor(int64)": np.int64}


def run_integers(model: bytes | str | Path, graph: Graph, frames: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Each output's int64 (N, H, W, C) by onnxruntime on the CPU.

    Args:
        model: a serialised ModelProto, or the path of one.
        frames: for each input node of ``graph``, integers (N, H, W, C).
    """
    session = _session(model)
    takes = [(port.name, _TYPES[port.type]) for port in session.get_inputs()]
    feeds = {name: x.transpose(0, 3, 1, 2).astype(dtype) for (name, dtype), x in zip(takes, frames, strict=True)}
    return tuple(y.astype(np.int64) for y in _run(session, graph, feeds))


def run_qdq(model: bytes | str | Path, graph: Graph, frames: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Each output's real values (N, H, W, C), by onnxruntime on the CPU.

    Args:
        model: of `hwqat.interchange.qdq_onnx`. frames: as for `run_integers`.
    """
    inputs = [node.out for node in graph.of("input")]
    names = [node.name for node in graph.of("input")]
    feeds = {
        name: ((x - t.zero_point) * t.scale).transpose(0, 3, 1, 2).astype(np.float32)
        for name, t, x in zip(names, inputs, frames, strict=True)
    }
    return _run(_session(model), graph, feeds)


def _session(model: bytes | str | Path):
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise HwqatError("running an ONNX file needs the onnxruntime package; pip install 'hwqat[onnx]'") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    options.add_session_config_entry(*EXACT)
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
    )


def _run(session, graph: Graph, feeds: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Batch by batch; each output (N, H, W, C)."""
    count = len(next(iter(feeds.values())))
    found = [
        session.run(None, {name: x[start : start + BATCH] for name, x in feeds.items()})
        for start in range(0, count, BATCH)
    ]
    outputs = [node.out for node in graph.of("output")]
    return tuple(
        _channels_last(np.concatenate(parts), out.shape) for parts, out in zip(zip(*found), outputs, strict=True)
    )


def run_qonnx(model, graph: Graph, frames: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Each output's real values (N, H, W, C) by the qonnx package's executor.

    Args:
        model: a ModelProto that `hwqat.interchange.qonnx` wrote. frames: as for `run_integers`.
    """
    try:
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
        from qonnx.transformation.infer_shapes import InferShapes
    except ModuleNotFoundError:
        raise HwqatError("running a QONNX file needs the qonnx package; pip install 'hwqat[onnx]'") from None
    batch = min(len(frames[0]), 1 + MOST_VALUES // sum(node.out.size for node in graph.nodes))
    wrapper = ModelWrapper(model, make_deepcopy=True)
    del wrapper.graph.value_info[:]  # shapes of another batch
    for port in (*wrapper.graph.input, *wrapper.graph.output):
        port.type.tensor_type.shape.dim[0].dim_value = batch
    wrapper = wrapper.transform(InferShapes())
    inputs, outputs = ([node.out for node in graph.of(kind)] for kind in ("input", "output"))
    found = []
    for start in range(0, len(frames[0]), batch):
        feeds = {
            port.name: _filled(((x[start : start + batch] - t.zero_point) * t.scale).transpose(0, 3, 1, 2), batch)
            for port, t, x in zip(wrapper.graph.input, inputs, frames, strict=True)
        }
        values = execute_onnx(wrapper, feeds)
        found.append([values[port.name] for port in wrapper.graph.output])
    return tuple(
        _channels_last(np.concatenate(parts), out.shape)[: len(frames[0])]
        for parts, out in zip(zip(*found), outputs, strict=True)
    )


def _filled(x: np.ndarray, count: int) -> np.ndarray:
    """float32, with frames of zeros up to ``count``."""
    return np.concatenate([x, np.zeros((count - len(x), *x.shape[1:]))]).astype(np.float32)


def _channels_last(y: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """(N, C, H, W) or (N, C) -> (N, H, W, C)."""
    height, width, channels = shape
    return y.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
