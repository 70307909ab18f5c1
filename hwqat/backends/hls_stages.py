"""What the C++ says about a stage: one sentence, its shape's constants, and how it calls the library.

One function for each kind of stage; `describe` picks it. A kind's template is `stage/KIND.j2`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..devices import Device, Packing
from ..fixed import Rounding
from ..graph import Graph, Tensor
from ..stages import Rom, Stage

#: AP_RND's half is in the bias, which makes it a plain shift.
MODES = {
    Rounding.RND: "shift",
    Rounding.TRN: "shift",
    Rounding.TRN_ZERO: "trn_zero",
    Rounding.RND_ZERO: "rnd_zero",
    Rounding.RND_INF: "rnd_inf",
    Rounding.RND_MIN_INF: "rnd_min_inf",
    Rounding.RND_CONV: "rnd_conv",
}


@dataclass(frozen=True)
class Row:
    """One constant of a shape: ``static constexpr TYPE NAME = VALUE; // NOTE``."""

    name: str
    value: object
    note: str = ""
    type: str = "int"


@dataclass(frozen=True)
class StageText:
    """What the templates need to write a stage.

    Attributes:
        title: what it computes, for a comment; work: how it is folded and how long it takes.
        header: the library's header; rows: its shape; aliases: types in it.
        function: the library's template (empty where the stage's template says all).
    """

    title: str
    header: str
    function: str
    rows: tuple[Row, ...]
    work: str = ""
    aliases: tuple[tuple[str, str], ...] = field(default=())


def describe(stage: Stage, graph: Graph, device: Device) -> StageText:
    """The text of a stage of a graph's plan for a device."""
    text, packing = _KINDS[stage.kind](stage, graph), stage.packing(device)
    return replace(text, aliases=(("multiplier", _multiplier(packing)),)) if packing else text


def _multiplier(packing: Packing) -> str:
    """The library's type (packed.h)."""
    if packing.count > 1:
        return f"hwqat::packed<{packing.count}, {packing.pitch}, {packing.terms}>"
    return f"hwqat::plain<hwqat::{'luts' if packing.in_luts else 'dsp'}>"


def binding(rom: Rom, device: Device) -> str | None:
    """Memory that a ROM is bound to, as the plan's estimate has it; None for constants that are wired in."""
    if rom.depth == 1:
        return None
    return "bram" if device.memory(rom.depth, rom.width * rom.bits, rom=True).bram else "lutram"


def shape_text(x: Tensor) -> str:
    """``8x8x16 uint8``."""
    return f"{'x'.join(map(str, x.shape))} {'int' if x.signed else 'uint'}{x.bits}"


def _window(s, graph) -> StageText:
    g, x = s.geometry, graph.ins(graph.by_name[s.node])[0]
    kind = "serial" if s.taps == 1 else "parallel"
    top, left, bottom, right = g.padding
    words = [f"{g.kernel[0]}x{g.kernel[1]} windows of {shape_text(x)}"]
    words += [f"stride {g.stride[0]},{g.stride[1]}"] if g.stride != (1, 1) else []
    words += [f"dilation {g.dilation[0]},{g.dilation[1]}"] if g.dilation != (1, 1) else []
    words += (
        [f"padding {top},{left},{bottom},{right} (top, left, bottom, right) with {s.pad_value}"]
        if any(g.padding)
        else []
    )
    rows = (
        Row("height", s.height),
        Row("width", s.width),
        Row("kernel_y", g.kernel[0]),
        Row("kernel_x", g.kernel[1]),
        Row("stride_y", g.stride[0]),
        Row("stride_x", g.stride[1]),
        Row("dilation_y", g.dilation[0]),
        Row("dilation_x", g.dilation[1]),
        Row("pad_top", top),
        Row("pad_left", left),
        Row("pad_value", s.pad_value, type="long long" if abs(s.pad_value) >= 1 << 31 else "int"),
        Row("out_height", s.out_height),
        Row("out_width", s.out_width),
        Row("outer", s.outer, "channel groups"),
        Row("inner", s.inner, "beats of a group"),
        Row("lanes", s.lanes),
        Row("bits", s.bits),
        Row("taps", s.taps, "at once"),
        Row("rows", s.rows, "in the line buffer"),
        Row("columns", s.columns, "banks across a row"),
        Row("lead", s.lead, "trip of the first beat out"),
        Row("pace", s.pace, "trips from one beat out to the next"),
        Row("cycles", s.cycles),
    )
    banks = f"{s.rows} rows in one memory" if s.taps == 1 else f"{s.rows} x {s.columns} banks"
    work = f"{s.taps} of {g.taps} taps x {s.lanes} of {x.channels} channels a beat, {banks}, {s.cycles} cycles"
    return StageText(", ".join(words), "window.h", f"window_{kind}", rows, work)


def _mvu(s, graph) -> StageText:
    node = graph.by_name[s.node]
    rows = (
        Row("pixels", s.pixels),
        Row("groups", s.groups, "of channels"),
        Row("repeats", s.repeats, f"x pe = {s.repeats * s.pe} channels a group"),
        Row("folds", s.folds, f"x simd = {s.folds * s.simd} products a channel"),
        Row("pe", s.pe),
        Row("simd", s.simd),
        Row("in_bits", s.in_bits),
        _signed("in_signed", s.in_signed),
        Row("weight_bits", s.weight_bits),
        Row("acc_bits", s.acc_bits),
        Row("cycles", s.cycles),
    )
    return StageText(_weighted(node, graph), "mvu.h", "mvu", rows, f"PE {s.pe} x SIMD {s.simd}, {s.cycles} cycles")


def _dwu(s, graph) -> StageText:
    node = graph.by_name[s.node]
    rows = (
        Row("pixels", s.pixels),
        Row("groups", s.groups, f"x pe = {s.groups * s.pe} channels"),
        Row("folds", s.folds, f"x taps = {s.folds * s.taps} products a channel"),
        Row("pe", s.pe),
        Row("taps", s.taps, "at once"),
        Row("in_bits", s.in_bits),
        _signed("in_signed", s.in_signed),
        Row("weight_bits", s.weight_bits),
        Row("acc_bits", s.acc_bits),
        Row("cycles", s.cycles),
    )
    return StageText(_weighted(node, graph), "dwu.h", "dwu", rows, f"PE {s.pe} x {s.taps} taps, {s.cycles} cycles")


def _pool(s, graph) -> StageText:
    node = graph.by_name[s.node]
    x, g = graph.ins(node)[0], node.geometry
    rows = (
        Row("pixels", s.pixels),
        Row("groups", s.groups, f"x pe = {s.groups * s.pe} channels"),
        Row("folds", s.folds, f"x taps = {s.folds * s.taps}"),
        Row("pe", s.pe),
        Row("taps", s.taps, "at once"),
        *_ins_and_outs(s),
        Row("cycles", s.cycles),
    )
    title = f"{_REDUCE[s.reduce]} of {g.kernel[0]}x{g.kernel[1]} windows, {shape_text(x)} -> {shape_text(node.out)}"
    return StageText(title, "pool.h", "pool", rows, f"PE {s.pe} x {s.taps} taps, {s.cycles} cycles", _reduce(s))


def _global_pool(s, graph) -> StageText:
    node = graph.by_name[s.node]
    rows = (
        Row("pixels", s.pixels),
        Row("groups", s.groups, f"x pe = {s.groups * s.pe} channels"),
        Row("pe", s.pe),
        *_ins_and_outs(s),
        Row("cycles", s.cycles),
    )
    title = f"{_REDUCE[s.reduce]} of the whole image, {shape_text(graph.ins(node)[0])} -> {shape_text(node.out)}"
    return StageText(title, "global_pool.h", "global_pool", rows, f"PE {s.pe}, {s.cycles} cycles", _reduce(s))


def _requant(s, graph) -> StageText:
    node = graph.by_name[s.node]
    rows = [Row("pixels", s.pixels), Row("groups", s.groups, f"x pe = {s.groups * s.pe} channels"), Row("pe", s.pe)]
    for i, (x, shift, form) in enumerate(zip(s.ins, s.shifts, node.factor_forms, strict=True)):
        rows += [
            Row(f"in{i}_bits", x.bits),
            _signed(f"in{i}_signed", x.signed),
            Row(f"factor{i}_bits", form.width),
            _signed(f"factor{i}_signed", form.signed),
            Row(f"shift{i}", shift, "aligns the product's binary point to the sum's"),
        ]
    rows += [
        Row("bias_bits", s.rom("bias").bits),
        Row("sum_bits", s.sum_bits),
        Row("frac", s.frac, "fractional bits of the sum"),
        Row("mode", f"hwqat::rounding::{MODES[s.rounding]}", f"{s.rounding}", "hwqat::rounding"),
        _integer("lo", s.lo),
        _integer("hi", s.hi),
        Row("out_bits", s.out_bits),
        _signed("out_signed", s.out_signed),
        Row("cycles", s.cycles),
    ]
    ins = " + ".join(shape_text(x) for x in graph.ins(node))
    title = f"requantise {ins} -> {shape_text(node.out)}, clamped to {s.lo}..{s.hi}"
    work = f"PE {s.pe}{', one multiplier for both inputs' if s.shared else ''}, {s.cycles} cycles"
    return StageText(title, "requant.h", "requant_shared" if s.shared else "requant", tuple(rows), work)


def _width(s, graph) -> StageText:
    verb = "widen" if s.lanes_out > s.lanes_in else "narrow"
    rows = (Row("lanes_in", s.lanes_in), Row("lanes_out", s.lanes_out), Row("bits", s.bits), Row("cycles", s.cycles))
    return StageText(f"{s.lanes_in} -> {s.lanes_out} elements a beat", "width.h", verb, rows, f"{s.cycles} cycles")


def _fork(s, graph) -> StageText:
    rows = (Row("lanes", s.elements.lanes), Row("bits", s.elements.bits), Row("cycles", s.cycles))
    return StageText(
        f"{shape_text(graph.tensor(s.node))} to {len(s.outputs)} readers", "fork.h", "fork", rows, f"{s.cycles} cycles"
    )


def _concat(s, graph) -> StageText:
    node = graph.by_name[s.node]
    ins = ", ".join(shape_text(x) for x in graph.ins(node))
    return StageText(f"channels of {ins} -> {shape_text(node.out)}", "lanes.h", "", (), f"{s.cycles} cycles")


_KINDS = {
    "window": _window,
    "mvu": _mvu,
    "dwu": _dwu,
    "pool": _pool,
    "global_pool": _global_pool,
    "requant": _requant,
    "width": _width,
    "fork": _fork,
    "concat": _concat,
}
_REDUCE = {"sum": "sum", "max": "maximum"}


def _weighted(node, graph) -> str:
    """``3x3 convolution, 8x8x3 int8 -> 8x8x8 int18, weights int8``."""
    x, what = graph.ins(node)[0], "linear"
    if node.op == "conv2d":
        groups = "depthwise " if node.depthwise else f"{node.groups}-group " if node.groups > 1 else ""
        what = f"{groups}{'x'.join(map(str, node.geometry.kernel))} convolution"
    weights = "+-1" if node.weight_bits == 1 else f"int{node.weight_bits}"
    return f"{what}, {shape_text(x)} -> {shape_text(node.out)}, weights {weights}"


def _signed(name: str, value: bool) -> Row:
    return Row(name, "true" if value else "false", type="bool")


def _integer(name: str, value: int) -> Row:
    """A clamp's limit: 33 bits at most."""
    return Row(name, f"{value}LL", type="long long")


def _reduce(s) -> tuple[tuple[str, str], ...]:
    return (("reduce", f"hwqat::{s.reduce}_of"),)


def _ins_and_outs(s) -> tuple[Row, ...]:
    return (
        Row("in_bits", s.in_bits),
        _signed("in_signed", s.in_signed),
        Row("out_bits", s.out_bits),
        _signed("out_signed", s.out_signed),
    )
