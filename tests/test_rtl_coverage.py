"""Functional coverage of the RTL blocks: which corners of their parameters the block and stage tests simulate.

`python tests/test_rtl_coverage.py` prints the list; the test fails where a corner is in no case.
"""

from collections import Counter

import test_rtl_blocks as blocks
import test_rtl_stages as stages

from hwqat.devices import DEVICES
from hwqat.fixed import Rounding

DEVICE = DEVICES["xcup"]


def corners(stage, network) -> set[str]:
    """Of one stage, in words."""
    found = globals().get(f"_{stage.kind}", lambda stage: set())(stage)
    return {f"{stage.kind}: {what}" for what in found} | {
        f"fifo: depth {'2' if s.depth == 2 else 'more'}" for s in network.streams
    }


def _window(s):
    g, side = s.geometry, "all taps" if s.taps > 1 else "serial taps"
    (in_beats,), (out_beats,) = s.beats
    found = {
        f"kernel {'1 x 1' if g.kernel == (1, 1) else 'row' if g.kernel[0] == 1 else 'column' if g.kernel[1] == 1 else 'area'}"
    }
    found |= {"stride 1" if g.stride == (1, 1) else "stride"} | (
        {"unlike strides"} if g.stride[0] != g.stride[1] else set()
    )
    found |= {"dilation"} if any(d > 1 and k > 1 for d, k in zip(g.dilation, g.kernel)) else set()
    found |= {"no padding" if not any(g.padding) else "padding"} | (
        {"asymmetric padding"} if g.padding[:2] != g.padding[2:] else set()
    )
    found |= {"padding value"} if s.pad_value else set()
    found |= {"one pixel"} if (s.height, s.width) == (1, 1) else set()
    found |= {"kernel beyond the image"} if g.span[0] > s.height or g.span[1] > s.width else set()
    found |= (
        {"fewer windows than pixels"}
        if out_beats < in_beats
        else {"more beats out than in"}
        if out_beats > in_beats
        else set()
    )
    found |= ({"several channel groups"} if s.outer > 1 else set()) | (
        {"several beats a tap"} if s.inner > 1 else set()
    )
    return {f"{what}, {side}" for what in found}


def _mvu(s):
    found = {"grouped" if s.groups > 1 else "dense", "input used again" if s.repeats > 1 else "input used once"}
    found |= {"one product" if s.multipliers == 1 else "several outputs" if s.pe > 1 and s.simd == 1 else "tree"}
    found |= {
        "one trip an output" if s.folds == 1 else "several trips an output",
        "signed input" if s.in_signed else "unsigned input",
    }
    found |= {"weights of 1 bit"} if s.weight_bits == 1 else {"weights of 16 bits"} if s.weight_bits == 16 else set()
    found |= {f"{s.packing(DEVICE).count} products in a multiplier"}
    return found


def _dwu(s):
    return {"all taps" if s.taps > 1 else "serial taps", "several channels" if s.pe > 1 else "one channel"}


def _requant(s):
    found = {
        str(s.rounding),
        f"{len(s.ins)} inputs",
        "a constant for all" if s.rom("factor_0").values.size == 1 else "constants by channel",
    }
    found |= {"inputs in turn" if s.shared else "inputs at once"} if len(s.ins) == 2 else set()
    found |= {"no fraction" if s.frac == 0 else "left shift" if s.frac < 0 else "fraction"}
    return found | ({"one group" if s.groups == 1 else "several groups"})


def _pool(s):
    return {f"{s.reduce}, {'all taps' if s.taps > 1 else 'serial taps'}", "signed" if s.in_signed else "unsigned"}


def _global_pool(s):
    return {s.reduce, "one group" if s.groups == 1 else "several groups"}


def _width(s):
    return {"narrower" if s.lanes_in > s.lanes_out else "wider"}


def _fork(s):
    return {f"{len(s.outputs)} outputs"}


def _concat(s):
    return {f"{len(s.ins)} inputs", *({"mixed signs"} if len({e.signed for e in s.ins}) > 1 else set())}


def covered() -> Counter:
    """Corner -> number of cases that have it."""
    found = Counter()
    for name in blocks.CASES:
        kind, _, parameters = name.partition("_")
        found[f"{kind} block: {parameters}"] += 1
    for build in stages.CASES.values():
        network = build().network
        found.update(set().union(*(corners(stage, network) for stage in network.stages)))
    return found


BOTH = ("all taps", "serial taps")
WANTED = {
    *(f"fifo block: {depth}" for depth in ("2", "3", "4", "5", "8", "9", "17", "67", "wide")),
    "fifo: depth 2",
    *(f"fork block: {n}" for n in (2, 3, 5)),
    *(f"width block: {ends}" for ends in ("1_to_1", "1_to_12", "12_to_1", "2_to_6", "6_to_2")),
    *(f"concat block: {beats}" for beats in ("1_1", "4_1_2", "1_1_1_5")),
    *(f"replay block: {n}" for n in ("1_2", "3_4", "12_3")),
    *(
        f"window: {what}, {side}"
        for side in BOTH
        for what in (
            "kernel area",
            "kernel row",
            "kernel column",
            "stride 1",
            "stride",
            "unlike strides",
            "dilation",
            "padding",
            "no padding",
            "asymmetric padding",
            "padding value",
            "one pixel",
            "kernel beyond the image",
            "fewer windows than pixels",
            "several channel groups",
        )
    ),
    "window: kernel 1 x 1, serial taps",
    "window: several beats a tap, serial taps",
    "window: more beats out than in, serial taps",
    *(
        f"mvu: {what}"
        for what in (
            "dense",
            "grouped",
            "one product",
            "several outputs",
            "tree",
            "input used again",
            "input used once",
            "one trip an output",
            "several trips an output",
            "signed input",
            "unsigned input",
            "weights of 1 bit",
            "weights of 16 bits",
            "1 products in a multiplier",
            "2 products in a multiplier",
            "3 products in a multiplier",
        )
    ),
    *(f"dwu: {what}" for what in (*BOTH, "one channel", "several channels")),
    *(f"requant: {mode}" for mode in Rounding),
    *(
        f"requant: {what}"
        for what in (
            "1 inputs",
            "2 inputs",
            "inputs at once",
            "inputs in turn",
            "a constant for all",
            "constants by channel",
            "no fraction",
            "left shift",
            "fraction",
            "one group",
            "several groups",
        )
    ),
    *(f"pool: {op}, {side}" for op in ("max", "sum") for side in BOTH),
    "pool: signed",
    "pool: unsigned",
    *(f"global_pool: {what}" for what in ("max", "sum", "one group", "several groups")),
    "width: narrower",
    "width: wider",
    "fork: 2 outputs",
    "fork: 4 outputs",
    "concat: 3 inputs",
    "concat: mixed signs",
}


def test_every_corner_is_in_a_case():
    assert not WANTED - set(covered())


if __name__ == "__main__":
    for corner, cases in sorted(covered().items()):
        print(f"{cases:4}  {corner}")
