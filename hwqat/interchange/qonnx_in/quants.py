"""What becomes of a Quant: weights, the network's input, or one requantise; and what leaves the network."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Rounding, from_real, shift_right, signed_bits
from hwqat.graph import Tensor
from hwqat.naming import shown
from hwqat.ops import Concat, Flatten, Input, Output, Requant, Table
from hwqat.quant.constants import Rescale, make_constants

from .draft import Draft
from .readers import READERS, reads
from .values import Real, Weights, real

ROUNDING = {
    "ROUND": Rounding.RND_CONV,
    "HALF_EVEN": Rounding.RND_CONV,
    "FLOOR": Rounding.TRN,
    "DOWN": Rounding.TRN_ZERO,
    "HALF_UP": Rounding.RND_INF,
    "HALF_DOWN": Rounding.RND_ZERO,
    "CEIL": "CEIL",
    "UP": "UP",
}
_WIDE, _ONE = Fixed(48, 48), Fixed(2, 2)
#: Bits of a Quant at most: those of a requantise's output.
MOST_BITS = 32


@reads("Quant", "IntQuant")
def quant(draft: Draft, node, x, scale, zero_point, bits):
    how = node.attributes
    signed, narrow, mode = bool(how["signed"]), bool(how["narrow"]), how["rounding_mode"].upper()
    if mode not in ROUNDING:
        raise HwqatError(f"{draft.where(node)} rounds by {shown(mode)}; there are {', '.join(ROUNDING)}")
    bits = draft.integer(node, bits, "a bit width of", 1, MOST_BITS)
    lo, hi = (-(1 << (bits - 1)) + narrow, (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1 - narrow)
    if not (draft.constant(node, scale) > 0).all():
        raise HwqatError(f"{draft.where(node)} has a scale that is not above zero")
    if not isinstance(x, Real):
        if bits == 1 and signed:
            return constants_of_sign(draft, node, x, scale)
        return _constants(draft, node, x, scale, zero_point, bits, lo, hi, ROUNDING[mode])
    if bits == 1 and signed:
        if draft.number(node, zero_point):
            raise HwqatError(f"{draft.where(node)} has one bit and a zero point; leave the zero point out")
        return READERS["BipolarQuant"](draft, node, x, scale)
    scale, zero_point = draft.number(node, scale), draft.integer(node, zero_point, "a zero point of", lo, hi)
    return requantised(draft, node, x, scale, zero_point, lo, hi, bits, signed, ROUNDING[mode])


def rounded(steps, mode: Rounding | str):
    """Reals as int64; mode: of `ROUNDING`."""
    if mode == "CEIL":
        return -from_real(-steps, _WIDE, Rounding.TRN)[0]
    if mode == "UP":
        return np.sign(steps).astype(np.int64) * rounded(np.abs(steps), "CEIL")
    return from_real(steps, _WIDE, mode)[0]


def _by_floor(draft: Draft, node, mode: Rounding | str, lo: int, hi: int) -> Rounding | str:
    """UP where all that is not clamped has one sign."""
    if mode == "UP" and lo < 0 < hi:
        raise HwqatError(
            f"{draft.where(node)} rounds values of both signs away from zero (UP), which no requantise does; there are "
            f"{', '.join(name for name in ROUNDING if name != mode)}"
        )
    return ("CEIL" if lo >= 0 else Rounding.TRN) if mode == "UP" else mode


def requantised(
    draft: Draft,
    node,
    x: Real,
    scale,
    zero_point: int,
    lo: int,
    hi: int,
    bits: int,
    signed: bool,
    rounding,
    after: bool = False,
) -> Real:
    """A real value as integers: one requantise, or nothing where they are those that are there already.

    rounding: of `ROUNDING`. CEIL is the floor of what is a step higher, less the last place of the sum. after: the zero
    point is added behind the rounding, so that an odd one changes which neighbour of a tie is even. Where there are
    ties, such values are rounded around the even zero point below, and one is added.
    """
    if x.parts:
        how = (scale, zero_point, lo, hi, bits, signed, rounding, after)
        return joined(draft, node, x, [requantised(draft, node, part, *how) for part in x.parts])
    odd = after and zero_point % 2 == 1
    if x.curve is not None:
        return _tabulated(draft, node, x, scale, zero_point, lo, hi, bits, signed, rounding, odd)
    lo, hi = (int(_round(end, scale, zero_point - odd, rounding, lo - odd, hi - odd)) + odd for end in (x.floor, x.cap))
    if x.raw is not None:
        return _input(draft, node, x, scale, zero_point, lo, hi, bits, signed)
    same_scale = x.source is not None and (x.source.scale, x.zero) == (scale, zero_point)
    if same_scale and lo <= x.source.lo and x.source.hi <= hi:
        return x  # the same integers again
    rounding = _by_floor(draft, node, rounding, lo, hi)
    ceil = int(rounding == "CEIL")
    shift = np.broadcast_to(np.asarray(x.shift, float), x.tensor.channels) + (zero_point + ceil) * scale
    made = make_constants([o for _, o in x.operands], shift, scale, Rescale(32))
    if ceil and made.bias_form.frac < 1:
        raise HwqatError(f"{draft.where(node)} rounds up (CEIL) values that are too large for it; round by FLOOR")
    grid = {"scale": scale, "module": draft.path(node)}
    if odd and _ties(x, scale, made):
        made = make_constants([o for _, o in x.operands], shift - scale, scale, Rescale(32))
        ends = (lo - 1, hi - 1)
        width = max(2, signed_bits(*ends) if ends[0] < 0 else ends[1].bit_length())
        below = {"lo": ends[0], "hi": ends[1], "bits": width, "signed": ends[0] < 0, "zero_point": zero_point - 1}
        forms = {"factor_forms": made.factor_forms, "bias_form": made.bias_form, "rounding": rounding}
        tensors = [t for t, _ in x.operands]
        even = Requant.make(draft.fresh(node, "_even"), tensors, made.factors, made.bias, **forms, **below, **grid)
        tensors, factors, bias, forms = [draft.add(even)], [[1]], [1], {"factor_forms": [_ONE], "bias_form": _ONE}
    else:
        forms = {"factor_forms": made.factor_forms, "bias_form": made.bias_form}
        forms["rounding"] = Rounding.TRN if ceil else rounding
        tensors, factors, bias = [t for t, _ in x.operands], made.factors, made.bias - ceil
    own = {"lo": lo, "hi": hi, "bits": bits, "signed": signed, "zero_point": zero_point}
    out = draft.add(Requant.make(draft.fresh(node, "_q"), tensors, factors, bias, **forms, **own, **grid))
    return real(out, x.order, x.flat)


def _ties(x: Real, scale: float, made) -> bool:
    """Whether a sum can be half a step, exactly: of constants that nothing rounded, whose places behind the point do not
    outnumber those of what they multiply."""
    exact, half = np.ones(x.tensor.channels, bool), np.zeros(x.tensor.channels, bool)
    for (_, operand), factors, form in zip(x.operands, made.factors, made.factor_forms):
        for c, raw in enumerate(int(raw) for raw in np.broadcast_to(factors, exact.shape)):
            ratio = Fraction(float(operand.gain[c])) * Fraction(float(operand.scale[c])) / Fraction(scale)
            places = form.frac - (raw & -raw).bit_length() + 1 if raw else 0
            most = max(-int(operand.lows[c]), int(operand.highs[c]))
            exact[c] &= ratio == raw / Fraction(2) ** form.frac and places <= most.bit_length()
            half[c] |= places > 0
    return bool((exact & half).any())


def _tabulated(
    draft: Draft, node, x: Real, scale, zero_point: int, lo: int, hi: int, bits: int, signed: bool, rounding, odd: bool
) -> Real:
    """What a function made, quantised: a table."""
    steps = np.clip(x.curve / scale + zero_point, lo - 1.0, hi + 1.0)
    q = rounded(steps - odd, rounding) + odd
    made = Table.make(
        draft.fresh(node, "_q"),
        x.tensor,
        np.clip(q, lo, hi),
        lo=lo,
        hi=hi,
        bits=bits,
        signed=signed,
        scale=scale,
        zero_point=zero_point,
        module=draft.path(node),
    )
    return real(draft.add(made), x.order, x.flat)


def _round(end: float, scale: float, zero_point: int, mode, lo: int, hi: int) -> int:
    """The integer that a clip's end becomes, within ``lo..hi``."""
    steps = min(max(end / scale, lo - zero_point - 1), hi - zero_point + 1)
    q = rounded(np.float64(steps + zero_point), mode)
    return min(max(int(q), lo), hi)


def _input(
    draft: Draft, node, x: Real, scale: float, zero_point: int, lo: int, hi: int, bits: int, signed: bool
) -> Real:
    """The network's input, on the grid of the Quant that it meets first."""
    channels, height, width = frame_of(draft, x.raw)
    made = Input.make(
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
    tensor = draft.add(made)
    if not x.flat or len(x.raw.shape) == 2:
        return real(tensor, flat=x.flat)
    places = np.arange(tensor.size).reshape(height, width, channels).transpose(2, 0, 1).ravel()
    made = Flatten.make(draft.fresh(node, "_flat"), tensor, module=draft.path(node))
    return real(draft.add(made), places if tensor.pixels > 1 else None, flat=True)


def frame_of(draft: Draft, port) -> tuple[int, int, int]:
    """(C, H, W) of one frame of a port: (N, C, H, W) or (N, C)."""
    shape = port.shape
    if len(shape) not in (2, 4):
        raise HwqatError(
            f"{draft.name}, input {port.name!r} has {len(shape)} dimensions; images (N, C, H, W), signals (N, C, L) and "
            "vectors (N, C) are supported"
        )
    if None in shape[1:]:
        raise HwqatError(
            f"{draft.name}, input {port.name!r} has the shape {shape}, which leaves a size open; export the network with "
            "fixed shapes"
        )
    return (*shape[1:], 1, 1) if len(shape) == 2 else shape[1:]


def _constants(draft: Draft, node, x, scale, zero_point, bits: int, lo: int, hi: int, rounding) -> Weights:
    if np.any(draft.constant(node, zero_point)):
        raise HwqatError(
            f"{draft.where(node)}: weights with a zero point are not supported; quantise them symmetrically"
        )
    x, scale = draft.constant(node, x), draft.constant(node, scale)
    _broadcast(draft, node, x, scale)
    # A quotient far beyond the range is clamped anyway; it must not wrap on the way there.
    q = np.clip(rounded(np.clip(x / scale, lo - 1.0, hi + 1.0), rounding), lo, hi)
    needed = max(signed_bits(int(-np.abs(q).max(initial=0)) + 1, int(np.abs(q).max(initial=0))), 2)
    return Weights(q, scale, max(bits, needed))


def constants_of_sign(draft: Draft, node, x, scale) -> Weights:
    """Weights of one bit: 1 where they are not below zero, else -1."""
    x, scale = draft.constant(node, x), draft.constant(node, scale)
    if not (scale > 0).all():
        raise HwqatError(f"{draft.where(node)} has a scale that is not above zero")
    _broadcast(draft, node, x, scale)
    return Weights(np.where(x >= 0, 1, -1), scale, 1)


def joined(draft: Draft, node, x: Real, parts: list[Real]) -> Real:
    """Channels of tensors of one grid, one behind the other."""
    tensors = [part.source for part in parts]
    made = draft.add(Concat.make(draft.fresh(node), tensors, module=draft.path(node)))
    return real(made, x.order, x.flat, parts[0].fraction)


def whole(draft: Draft, node, x: Real) -> Real:
    """The same values with a zero point that is an integer: halves become 2q - 1, in steps of half the size."""
    if not x.fraction:
        return x
    if x.fraction != 0.5:
        raise HwqatError(
            f"{draft.where(node)} pads with zero, which its input has no integer for; give it a zero point"
        )
    tensor, form = draft.integers(node, x), Fixed(3, 3)
    zero = 2 * tensor.zero_point + 1
    ends = (2 * tensor.lo - zero, 2 * tensor.hi - zero)
    width = max(signed_bits(-abs(zero), abs(zero)), 2)
    made = Requant.make(
        draft.fresh(node, "_whole"),
        [tensor],
        [[2]],
        [-zero],
        factor_forms=[form],
        bias_form=Fixed(width, width),
        lo=ends[0],
        hi=ends[1],
        scale=tensor.scale / 2,
        module=draft.path(node),
    )
    return real(draft.add(made), x.order, x.flat)


def _broadcast(draft: Draft, node, x: np.ndarray, scale: np.ndarray) -> None:
    """A scale must not make more of the weights than there are."""
    try:
        fits = np.broadcast_shapes(x.shape, scale.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        raise HwqatError(f"{draft.where(node)} has a scale of shape {scale.shape} for constants of {x.shape}")


def weights(draft: Draft, node, w, axes: str) -> tuple[Weights, np.ndarray]:
    """What a layer reads, and the real value of one step for each of its outputs. axes: as OIHW."""
    if not isinstance(w, Weights):
        raise HwqatError(f"{draft.where(node)} has weights that are not quantised; give the layer a weight quantiser")
    if w.q.ndim != len(axes) or not w.q.size:
        raise HwqatError(f"{draft.where(node)} has weights of shape {w.q.shape}; ({', '.join(axes)}) is supported")
    axis = axes.index("O")
    scale, outputs = w.scale, w.q.shape[axis]
    if scale.size != 1 and (scale.ndim != w.q.ndim or scale.shape[axis] != scale.size):
        raise HwqatError(
            f"{draft.where(node)} has weights with scales of shape {scale.shape}; one, or one for each of "
            f"the {outputs} outputs, is supported"
        )
    return w, np.broadcast_to(scale.reshape(-1), outputs).astype(float)


def output(draft: Draft, port, x) -> None:
    if not isinstance(x, Real):
        raise HwqatError(f"{draft.name}: output {port.name!r} is a constant; return what the network computes")
    if x.order is not None:
        raise HwqatError(f"{draft.name}: output {port.name!r} is a flattened image; return the image itself")
    tensor = _logits(draft, port, x) if x.source is None or x.fraction else x.source
    number = sum(node.op == "output" for node in draft.nodes)
    draft.add(Output.make(draft.take(f"output_{number}"), tensor))


def _logits(draft: Draft, port, x: Real) -> Tensor:
    """Exact sums and a bias on the sum's own steps: nothing is clipped. See `hwqat.nn.steps.Logits`."""
    if len(x.operands) != 1 or x.clipped or x.curve is not None:
        raise HwqatError(f"{draft.name}: output {port.name!r} is not quantised; put a Quant in front of it")
    ((tensor, operand),) = x.operands
    steps = np.abs(operand.gain * operand.scale)
    if not steps.any():
        raise HwqatError(f"{draft.name}: output {port.name!r} is the same for every input")
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
            draft.take(f"logits_{len(draft.nodes)}"),
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
