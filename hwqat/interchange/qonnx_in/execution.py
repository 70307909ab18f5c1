"""The file itself, executed beside the graph that was read from it.

The qonnx package computes QONNX's own operators, onnxruntime the others, node by node in the file's floats. Wherever a
tensor of the file is one of integers in the graph, the two are compared, and the graph's takes the place of the
file's: each stretch between two such tensors is held to its own inputs, and what float32 rounds otherwise at a tie
does not spread. So the tolerance is a rounding, whatever the depth of the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwqat.errors import HwqatError
from hwqat.graph import Graph
from hwqat.naming import shown

from ..runtime import EXACT
from .file import File, Node
from .values import Real

#: Frames that are executed: two of random integers, one of the ends of the range alone, one of its middle.
FRAMES = 4
#: How far, in steps of the output, floats may lie from reals besides, and how far for each step of their own size.
SLACK, RELATIVE = 2**-9, 2**-17
WITHOUT = "read it without this check (--no-check) if you know better"
#: Operators whose result depends on a rounding of what they read.
ROUNDS = ("Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "QuantizeLinear")
#: Operators on codes, whose kernels round a product of floats.
CODED = (
    "QLinearConv",
    "QLinearMatMul",
    "QGemm",
    "QLinearAdd",
    "QLinearGlobalAveragePool",
    "QLinearAveragePool",
    "QLinearConcat",
    "QLinearMul",
    "QLinearSigmoid",
    "QLinearLeakyRelu",
)


@dataclass(frozen=True)
class Agreement:
    """What was compared. differing: integers of the graph that the executor rounded to their neighbour, all of them
    next to a tie, where its floats do not decide; what: how those are called."""

    frames: int
    tensors: int
    integers: int
    differing: int
    what: str = "the neighbour across a tie"

    def __str__(self) -> str:
        ties = f", {self.differing} of them {self.what}" if self.differing else ""
        return (
            f"executed beside the graph: {self.frames} frames, {self.integers} integers of {self.tensors} tensors{ties}"
        )


def agreement(file: File, graph: Graph, tensors: Mapping[str, Real]) -> Agreement:
    """Run the file on random inputs of the graph; HwqatError names the first tensor that is another than the graph's.

    Args:
        tensors: what each of the file's tensors of integers became.
    """
    frames = random_frames(graph)
    golden = graph.run(*frames, keep=True)
    arriving = dict(zip((port.name for port in file.inputs), graph.of("input"), strict=True))
    outputs = dict(zip((port.name for port in file.outputs), graph.of("output"), strict=True))
    batch = file.inputs[0].shape[0] or 1
    compared, differing, count = set(), 0, 0
    for start in range(0, FRAMES, batch):
        context: dict[str, np.ndarray | None] = {"": None, **file.constants}
        ends: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # of what is rounded: as far as the floats are unsure
        for port in file.inputs:
            x = arriving[port.name].out
            ints = _filled(golden[x.name][start : start + batch], batch)
            context[port.name] = _layout(x, x.zero_point, ints, None, len(port.shape) == 2, port.coded).astype(
                port.dtype
            )
        for node, proto in zip(file.nodes, file.model.graph.node, strict=True):
            got = context[node.output] = _executed(file, node, proto, context)
            if found := _ends(file, node, proto, context, ends, tensors.get(node.output)):
                ends[node.output] = found
            x = tensors.get(node.output)
            if x is not None:
                ints = _filled(golden[x.source.name][start : start + batch], batch)
                codes = got.dtype.kind in "iu"
                wanted = _layout(x.source, x.zero, ints, x.order, x.flat, codes)
                differing += _compare(
                    file, node, got, ends.pop(node.output, None), wanted, 1.0 if codes else x.source.scale
                )
                compared.add(node.output)
                count += wanted.size
                context[node.output] = wanted.astype(got.dtype)
            if node.output in outputs and node.output not in tensors:
                y = outputs[node.output].out
                ints = _filled(golden[y.name][start : start + batch], batch)
                wanted = _layout(y, y.zero_point, ints, None, got.ndim == 2)
                _hold(file, node, got, wanted, y.scale, 0.5)
                compared.add(node.output)
                count += wanted.size
    return Agreement(FRAMES, len(compared), count, differing)


def random_frames(graph: Graph) -> list[np.ndarray]:
    """For each input integers (FRAMES, H, W, C), the same every time."""
    return [_frames(node.out, np.random.default_rng(number)) for number, node in enumerate(graph.of("input"))]


def _frames(x, rng: np.random.Generator) -> np.ndarray:
    """Integers (FRAMES, H, W, C)."""
    whole = rng.integers(x.lo, x.hi, (FRAMES, *x.shape), endpoint=True)
    whole[2] = np.where(rng.random(x.shape) < 0.5, x.lo, x.hi)
    whole[3] = x.lo + (whole[3] - x.lo) // 8 + (x.hi - x.lo) * 7 // 16
    return whole


def _filled(x: np.ndarray, batch: int) -> np.ndarray:
    """As many frames as the file takes at once; the last again, where there are fewer."""
    return np.concatenate([x, *[x[-1:]] * (batch - len(x))])


def _layout(tensor, zero: float, ints: np.ndarray, order, flat: bool, codes: bool = False) -> np.ndarray:
    """Integers (N, H, W, C) as the file has their reals, or their codes: float64 (N, C, H, W), or (N, C) in its order."""
    reals = ints.astype(np.float64) if codes else (ints - zero) * tensor.scale
    if not flat:
        return reals.transpose(0, 3, 1, 2)
    vector = reals.reshape(len(reals), -1)
    return vector if order is None else vector[:, order]


def _ends(file: File, node: Node, proto: Any, context, ends, x: Real | None):
    """The least and the largest that a node may make: a quantiser of floats that lie a little to either side of the
    executor's, an operator on codes, which rounds as its kernel likes, and what only moves or clips what those made."""
    if node.op in ROUNDS:
        before = context[node.inputs[0]]
        scale = x.source.scale if x is not None else float(np.max(context[node.inputs[1]]))
        by = _slack(before, scale) * scale
        sides = [context | {node.inputs[0]: (before + side).astype(before.dtype)} for side in (-by, by)]
    elif node.op in CODED:
        got, info = context[node.output], np.iinfo(context[node.output].dtype)
        return tuple(np.clip(got.astype(np.int64) + by, info.min, info.max).astype(got.dtype) for by in (-1, 1))
    elif any(source in ends for source in node.inputs):
        pairs = [{source: ends[source][side] for source in node.inputs if source in ends} for side in (0, 1)]
        sides = [context | pair for pair in pairs]
    else:
        return None
    return tuple(_executed(file, node, proto, side) for side in sides)


def _compare(file: File, node: Node, got: np.ndarray, ends, wanted: np.ndarray, scale: float) -> int:
    """How many values are another integer's."""
    if ends is None:
        _hold(file, node, got, wanted, scale, 0.0)
        return 0
    if got.shape != wanted.shape:
        _hold(file, node, got, wanted, scale, 0.0)
    low, high = (end.astype(np.float64) for end in ends)
    nearly = SLACK * scale
    off = (wanted < low - nearly) | (wanted > high + nearly)
    if off.any():
        at = tuple(int(i) for i in np.argwhere(off)[0])
        _refuse(file, node, at, got[at], wanted[at], scale)
    return int((np.abs(got.astype(np.float64) - wanted) > 0.5 * scale).sum())


def _slack(values: np.ndarray, scale: float) -> float:
    return SLACK + RELATIVE * float(np.abs(values).max(initial=0.0)) / scale


def _hold(file: File, node: Node, got: np.ndarray, wanted: np.ndarray, scale: float, steps: float) -> None:
    """Refuse a tensor that lies further from the graph's than so many steps."""
    if got.shape != wanted.shape:
        raise HwqatError(
            f"{file.name}, node {shown(node.name)} ({node.op}): the file's executor gives shape {got.shape}, the graph "
            f"{wanted.shape}; hwqat reads this node otherwise than it is meant"
        )
    off = ~(np.abs(got.astype(np.float64) - wanted) <= (steps + _slack(wanted, scale)) * scale)
    if off.any():
        at = tuple(int(i) for i in np.argwhere(off)[0])
        _refuse(file, node, at, got[at], wanted[at], scale)


def _refuse(file: File, node: Node, at, got, wanted, scale: float) -> None:
    raise HwqatError(
        f"{file.name}, node {shown(node.name)} ({node.op}): the file's executor and the graph differ at {list(at)}: "
        f"{float(got):.6g} is the file's, {float(wanted):.6g} the graph's (a step is {scale:.3g}); hwqat reads the nodes in "
        f"front of it otherwise than they are meant; {WITHOUT}"
    )


def _executed(file: File, node: Node, proto: Any, context: Mapping) -> np.ndarray:
    """What one node makes of the context."""
    try:
        if proto.domain in ("", "ai.onnx", "com.microsoft"):
            return _run(file.opset, proto, {name: context[name] for name in proto.input if name})
        return _run_custom(proto, {name: context[name] for name in proto.input})
    except HwqatError:
        raise
    except Exception as error:  # of two packages, whatever they find
        first = next(iter(str(error).splitlines()), "")
        raise HwqatError(
            f"{file.name}, node {shown(node.name)} ({node.op}) cannot be executed ({type(error).__name__}: {first[:200]}); "
            f"{WITHOUT}"
        ) from None


def _run(opset: int, proto: Any, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """A standard operator by onnxruntime, as a model of one node."""
    import onnx
    import onnxruntime

    make = onnx.helper
    kept = [onnx.numpy_helper.from_array(x, k) for k, x in feeds.items() if not x.size]  # as good as left out
    feeds = {k: x for k, x in feeds.items() if x.size}
    ports = [make.make_tensor_value_info(k, make.np_dtype_to_tensor_dtype(x.dtype), x.shape) for k, x in feeds.items()]
    graph = make.make_graph([proto], "node", ports, [onnx.ValueInfoProto(name=proto.output[0])], kept)
    model = make.make_model(
        graph, opset_imports=[make.make_opsetid("", opset), make.make_opsetid("com.microsoft", 1)], ir_version=10
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    options.add_session_config_entry(*EXACT)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run([proto.output[0]], feeds)[0]


def _run_custom(proto: Any, context: dict) -> np.ndarray:
    """An operator of QONNX by the qonnx package."""
    try:
        from qonnx.core.execute_custom_node import execute_custom_node
    except ModuleNotFoundError:
        raise HwqatError(
            "a QONNX file is executed beside its graph by the qonnx package; pip install 'hwqat[onnx]', or read it "
            "without that check (--no-check)"
        ) from None
    execute_custom_node(proto, context, None, onnx_opset_version=1)
    return context[proto.output[0]]
