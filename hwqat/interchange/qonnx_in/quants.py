"""What becomes of a Quant: weights, the network's input, or one requantise; and what leaves the network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Rounding, from_real, shift_right, signed_bits
from hwqat.graph import Tensor
from hwqat.ops import Input, Output, Requant
from hwqat.quant.constants import Rescale, make_constants

from .draft import Draft
from .values import Real, Weights, real

_ROUNDING = {
    "ROUND": Rounding.RND_CONV,
    "HALF_EVEN": Rounding.RND_CONV,
    "FLOOR": Rounding.TRN,
    "DOWN": Rounding.TRN_ZERO,
    "HALF_UP": Rounding.RND_INF,
    "HALF_DOWN": Rounding.RND_ZERO,
}


def quant(draft: Draft, node, attributes, x, scale, zero_point, bits):
    bits, signed = int(draft.number(node, bits)), bool(attributes.get("signed", 1))
    narrow, mode = bool(attributes.get("narrow", 0)), attributes.get("rounding_mode", b"ROUND").decode().upper()
    if mode not in _ROUNDING:
        raise HwqatError(f"{draft.where(node)} rounds by {mode}; there are {', '.join(_ROUNDING)}")
    lo, hi = (-(1 << (bits - 1)) + narrow, (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1 - narrow)
    if not np.all(draft.constant(node, scale) > 0):
        raise HwqatError(f"{draft.where(node)} has a scale that is not above zero")
    if isinstance(x, np.ndarray):
        return _constants(draft, node, x, scale, zero_point, bits, lo, hi, _ROUNDING[mode])
    x = draft.real(node, x)
    scale, zero_point = draft.number(node, scale), int(draft.number(node, zero_point))
    if x.raw is not None:
        _, channels, height, width = draft.shape
        out = draft.add(
            Input.make(
                draft.fresh(node),
                (height, width, channels),
                lo=lo,
                hi=hi,
                scale=scale,
                bits=bits,
                signed=signed,
                zero_point=zero_point,
                module=draft.path(node),
            )
        )
        return real(out)
    same_scale = x.source is not None and (x.source.scale, x.source.zero_point) == (scale, zero_point)
    if same_scale and lo <= x.source.lo and x.source.hi <= hi:
        return x  # the same integers again
    ends = [end if np.isinf(end) else np.rint(end / scale) + zero_point for end in (x.floor, x.cap)]
    lo, hi = int(max(lo, ends[0])), int(min(hi, ends[1]))
    shift = np.broadcast_to(np.asarray(x.shift, float), x.operands[0][0].channels) + zero_point * scale
    made = make_constants([o for _, o in x.operands], shift, scale, Rescale(32))
    out = draft.add(
        Requant.make(
            draft.fresh(node, "_q"),
            [t for t, _ in x.operands],
            made.factors,
            made.bias,
            factor_forms=made.factor_forms,
            bias_form=made.bias_form,
            lo=lo,
            hi=hi,
            bits=bits,
            signed=signed,
            scale=scale,
            zero_point=zero_point,
            rounding=_ROUNDING[mode],
            module=draft.path(node),
        )
    )
    return real(out, x.order)


def _constants(draft: Draft, node, x, scale, zero_point, bits: int, lo: int, hi: int, rounding: Rounding) -> Weights:
    if np.any(zero_point):
        raise HwqatError(
            f"{draft.where(node)}: weights with a zero point are not supported; quantise them symmetrically"
        )
    q, _ = from_real(x / scale, Fixed(32, 32), rounding)
    q = np.clip(q, lo, hi)
    needed = max(signed_bits(int(-np.abs(q).max()) + 1, int(np.abs(q).max())), 2)
    return Weights(q, np.asarray(scale, np.float64), max(bits, needed))


def bipolar(draft: Draft, node, attributes, x, scale) -> Weights:
    if not isinstance(x, np.ndarray):
        raise HwqatError(f"{draft.where(node)}: activations of one bit are not supported; use two bits")
    return Weights(np.where(x >= 0, 1, -1), np.asarray(scale, np.float64), 1)


def weights(draft: Draft, node, w, axes: str) -> tuple[Weights, np.ndarray]:
    """What a layer reads, and the real value of one step for each of its outputs. axes: as OIHW."""
    if not isinstance(w, Weights):
        raise HwqatError(f"{draft.where(node)} has weights that are not quantised; give the layer a weight quantiser")
    if w.q.ndim != len(axes):
        raise HwqatError(f"{draft.where(node)} has weights of shape {w.q.shape}; ({', '.join(axes)}) is supported")
    axis = axes.index("O")
    scale, outputs = w.scale, w.q.shape[axis]
    if scale.size != 1 and (scale.ndim != w.q.ndim or scale.shape[axis] != scale.size):
        raise HwqatError(
            f"{draft.where(node)} has weights with scales of shape {scale.shape}; one, or one for each of "
            f"the {outputs} outputs, is supported"
        )
    return w, np.broadcast_to(scale.reshape(-1), outputs).astype(float)


def transpose(draft: Draft, node, attributes, w):
    if isinstance(w, np.ndarray):
        return w.transpose(attributes["perm"])
    if not isinstance(w, Weights):
        raise HwqatError(f"{draft.where(node)} transposes what the network computes; only weights may be")
    if w.scale.size > 1:
        raise HwqatError(
            f"{draft.where(node)} transposes weights with a scale for each channel; export the layer as Gemm"
        )
    return replace(w, q=w.q.transpose(attributes["perm"]))


def output(draft: Draft, port, x: Real) -> None:
    if x.order is not None:
        raise HwqatError(f"{draft.name}: output {port.name!r} is a flattened image; return the image itself")
    tensor = _logits(draft, port, x) if x.source is None else x.source
    number = sum(node.op == "output" for node in draft.nodes)
    draft.add(Output.make(f"output_{number}", tensor))


def _logits(draft: Draft, port, x: Real) -> Tensor:
    """Exact sums and a bias on the sum's own steps: nothing is clipped. See `hwqat.nn.steps.Logits`."""
    if len(x.operands) != 1 or x.clipped:
        raise HwqatError(f"{draft.name}: output {port.name!r} is not quantised; put a Quant in front of it")
    ((tensor, operand),) = x.operands
    steps = np.abs(operand.gain * operand.scale)
    alike = bool((steps == steps[0]).all() and (operand.gain > 0).all())
    scale = float(steps.max())
    shift = np.broadcast_to(np.asarray(x.shift, float), tensor.channels)
    formats = {"forms": (Fixed(2, 2),), "bias_form": Fixed(32, 32)} if alike else {}
    made = make_constants([operand], shift, scale, Rescale(32), **formats)
    lo, hi = (int(shift_right(end, made.frac, Rounding.RND)) for end in (min(made.lows), max(made.highs)))
    if made.saturated or signed_bits(lo, hi) > 32:
        raise HwqatError(f"{draft.name}: output {port.name!r} needs more than 32 bits; put a Quant in front of it")
    return draft.add(
        Requant.make(
            f"logits_{len(draft.nodes)}",
            [tensor],
            made.factors,
            made.bias,
            factor_forms=made.factor_forms,
            bias_form=made.bias_form,
            lo=lo,
            hi=hi,
            signed=True,
            scale=scale,
        )
    )
