"""What stages say of themselves: one list of parameters for every target, beats, loops and what they hold."""

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawing import random_case

import hwqat
from hwqat.backends import hls, rtl
from hwqat.devices import DEVICES
from hwqat.passes.network import build_network
from hwqat.stages import STAGES, Stage
from hwqat.stages.loops import Buffer, Copies, Loop
from hwqat.stages.parameters import CPP, RTL

LIBRARY = Path(hwqat.__file__).parent / "hls"
#: Parameters of a module that an instance may leave at their defaults: those of packing, and of an input that is not there.
OPTIONAL = {"hwqat_mvu": {"Packed", "Pitch", "PackedTerms"}, "hwqat_requant": {"In1", "Factor1", "Shift1"}}


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    """Those of random networks: every kind, many shapes."""
    found = []
    for seed in range(100):
        case = random_case(seed)
        found += build_network(case.graph, case.foldings).stages
    assert {type(stage) for stage in found} == set(STAGES)
    return found


def test_a_stage_that_leaves_something_out_cannot_be_defined():
    with pytest.raises(TypeError, match=r"stage 'Lame' does not state backlog, beats_of, .*work"):

        class Lame(Stage):
            kind, header = "lame", "lame.h"

    with pytest.raises(TypeError, match="stage 'Nameless' does not state kind"):
        type("Nameless", (STAGES[0],), {"kind": None})


# ---- parameters


def test_systemverilog_takes_the_parameters_that_stages_give(stages):
    """Those of its ``parameter`` lines, all of them, in one order."""
    for stage in stages:
        for device in DEVICES.values():
            given = [p.sv_name for p in stage.all_parameters(device) if RTL in p.to]
            text = (LIBRARY / "rtl" / f"{stage.rtl}.sv").read_text()
            header = text[: re.search(r"^\) \(", text, re.MULTILINE).start()]
            taken = re.findall(r"^  parameter\b.*?(\w+)\s*=", header, re.MULTILINE)
            optional = tuple(OPTIONAL.get(stage.rtl, ()))
            assert given == [name for name in taken if name in given], (stage.kind, given)
            assert all(name.startswith(optional or ("-",)) for name in set(taken) - set(given)), (stage.kind, taken)


def with_included(header: str) -> str:
    text = (LIBRARY / header).read_text()
    return text + "".join(map(with_included, re.findall(r'^#include "(\w+\.h)"', text, re.MULTILINE)))


def test_cpp_headers_use_the_parameters_that_stages_give(stages):
    """Each member of a shape is used as S::NAME, by the header or one that it includes, and nothing else is."""
    given = defaultdict(set)
    for stage in stages:
        if stage.cpp:
            given[stage.header] |= {p.name for p in stage.all_parameters(DEVICES["xcup"]) if CPP in p.to}
    for header, names in given.items():
        used = set(re.findall(r"\bS::(?:template )?(\w+)", with_included(header)))
        assert used == names, (header, used ^ names)


def test_a_shape_says_each_parameter_once(stages):
    for stage in stages:
        for target in (CPP, RTL):
            names = [p.name for p in stage.all_parameters(DEVICES["xcup"]) if target in p.to]
            assert len(names) == len(set(names)), stage.kind


# ---- beats


def test_loops_move_the_beats_that_streams_carry(stages):
    """The loop of the C++ and the processes of the RTL, over one frame; `beats` where it knows without a look."""
    for stage in stages:
        ins, outs = stage.beats
        reads, writes = stage.loop.beats(stage.cycles)
        assert (tuple(reads.values()), tuple(writes.values())) == (ins, outs), stage.kind
        assert stage.cycles >= max(*ins, *outs)
        assert len(stage.loop.order) and stage.cycles % len(stage.loop.order) == 0
        first, last = stage.pipeline[0], stage.pipeline[-1]
        assert taken(first, stage) == ins and given(last, stage) == outs, stage.kind


def taken(process, stage):
    """Beats of a frame that the first process of a stage reads from each input."""
    if isinstance(process, Buffer):
        return tuple(len(process.room) * periods(process, stage) for _ in stage.ins)
    return stage.beats[0] if isinstance(process, Copies) else counts(process, stage)[0]


def given(process, stage):
    if isinstance(process, Buffer):
        return tuple(len(process.need) * periods(process, stage) for _ in stage.outs)
    return stage.beats[1] if isinstance(process, Copies) else counts(process, stage)[1]


def periods(buffer: Buffer, stage: Stage) -> int:
    return stage.beats[0][0] // len(buffer.room)


def counts(loop: Loop, stage: Stage):
    """By as many periods as make the stage's outputs."""
    once = loop.beats(len(loop.order))
    times = stage.beats[1][0] // once[1][0]
    return tuple(tuple(side[i] * times for i in sorted(side)) for side in once)


def test_a_stage_holds_at_least_what_it_takes_before_it_gives(stages):
    """In C++, and in RTL where its first process is; too little would give FIFOs that are too shallow."""
    for stage in stages:
        for process in (stage.loop, stage.pipeline[0]):
            assert stage.held >= held_by(process, stage) - 1e-9, (stage.kind, stage.held)


def held_by(process, stage: Stage) -> float:
    """The most, as part of a frame, that it has taken and not given."""
    ins, outs = stage.beats
    if isinstance(process, Copies):
        return 0.0
    if isinstance(process, Buffer):
        frames = periods(process, stage)
        entered, left = np.arange(len(process.room)) + 1, process.room
        return float((entered / len(process.room) - left / len(process.need)).max()) / frames
    got, gave, most = np.zeros(len(ins)), 0, 0.0
    for kind in np.resize(process.order, min(stage.cycles, 4 * len(process.order))):
        reads, writes = process.moves[kind]
        for place in reads:
            got[place] += 1
        most = max(most, float((got / ins).max()) - gave / outs[0])
        gave += bool(writes)
    return most


def test_beats_carry_the_tensor(stages):
    """As many, as wide; and in every stage but a window each element once, in order."""
    for stage in stages:
        if stage.kind == "window":
            continue
        (beats,), (elements,) = set(stage.beats[1]), set(stage.outs)
        values = np.arange(2 * beats * elements.lanes).reshape(2, 1, beats, elements.lanes)
        assert np.array_equal(stage.beats_of(values).reshape(-1), values.reshape(-1)), stage.kind
        assert stage.beats_of(values).shape == (2, beats, elements.lanes)


# ---- rules


@pytest.mark.parametrize(
    "kind, change, problem",
    [
        ("mvu", {"acc_bits": 65}, ("acc_bits", "at most 64", 65)),
        ("dwu", {"acc_bits": 65}, ("acc_bits", "at most 64", 65)),
        ("requant", {"out_bits": 33}, ("out_bits", "at most 32", 33)),
        ("width", {"size": 1}, "size"),
        ("fork", {"readers": 1}, ("readers", "at least 2", 1)),
        ("window", {"taps": 7919}, "taps"),
        ("select", {"places": (0,) * 70_000}, "channels"),
        ("crop", {"start": (900, 0)}, "rows"),
        ("pad", {"padding": (0, -1, 0, 0)}, ("padding", "at least 0", (0, -1, 0, 0))),
        ("reorder", {"in_beats": 0}, "strides"),
        ("multiply", {"out_bits": 65}, ("out_bits", "at most 64", 65)),
        ("table", {"out_bits": 17}, ("out_bits", "1..16", 17)),
    ],
)
def test_a_stage_is_held_to_its_rules(stages, kind, change, problem):
    stage = next(stage for stage in stages if stage.kind == kind)
    assert not list(stage.problems())
    (first, *_) = replace(stage, **change).problems()
    assert first == problem if isinstance(problem, tuple) else first[0] == problem


def test_the_library_of_both_languages_is_whole(stages):
    assert {type(stage) for stage in stages} == set(STAGES)
    for stage in stages:
        assert stage.header in hls.library_files()
        assert f"{stage.rtl}.sv" in rtl.library_files()
