"""The form of the JSON files in a BUILD: what is read of them is held to it (`hwqat.decode`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NotRequired, TypedDict

from .decode import read_json
from .manifest import AGAIN

PLAN, EXPORT, PORTS = "report/plan.json", "report/export.json", "rtl/ports.json"


class StageFile(TypedDict):
    name: str
    kind: str
    plumbing: NotRequired[bool]
    node: str
    module: str
    block: str
    pe: int | None
    simd: int | None
    cycles: int
    multipliers: int
    dsp: int
    lut: int
    ff: int
    bram: int
    memory_bits: int
    parameters: NotRequired[dict[str, Any]]


class StreamFile(TypedDict):
    name: str
    tensor: str
    source: str
    sink: str
    lanes: int
    bits: int
    beats: int
    depth: int
    min_depth: int
    why: str


class PlanFile(TypedDict):
    """report/plan.json, as `hwqat.passes.report.plan_json` makes it."""

    target: str
    board: NotRequired[str | None]
    part: NotRequired[str]
    clock_mhz: float
    network: str
    macs: int
    cycles: int
    fps: float
    dsp: int
    lut: int
    ff: int
    bram: int
    available: NotRequired[dict[str, int]]
    used_percent: NotRequired[dict[str, float]]
    fits: NotRequired[bool]
    limit: NotRequired[str | None]
    memory_bits: int
    stages: list[StageFile]
    streams: list[StreamFile]


class PortFile(TypedDict):
    name: str
    node: str
    lanes: int
    bits: int
    signed: bool
    slot: int
    tdata: int
    beats: int


class FoldingFile(TypedDict):
    pe: int
    lanes: int
    taps: int
    inputs: int
    luts: NotRequired[bool]


class PortsFile(TypedDict):
    """rtl/ports.json: what a bench needs to know of the RTL."""

    top: str
    core: str
    cycles: int
    inputs: list[PortFile]
    outputs: list[PortFile]
    foldings: dict[str, FoldingFile]
    fifos: dict[str, str]
    pins: NotRequired[list[str]]


class CheckFile(TypedDict):
    """report/csim.json and cosim.json."""

    build: str
    command: NotRequired[str]
    frames: int
    mismatches: int
    first: NotRequired[str | None]
    where: NotRequired[str | None]
    fill_cycles: NotRequired[int | None]
    steady_cycles: NotRequired[int | None]


class SynthFile(TypedDict):
    """report/synth.json."""

    build: str
    command: NotRequired[str]
    target: str
    dsp: int | None
    lut: int | None
    ff: int | None
    bram: int | None
    fmax_mhz: NotRequired[float | None]


class CsynthFile(TypedDict):
    """report/csynth.json."""

    build: str
    command: NotRequired[str]
    tool: str


class EvalFile(TypedDict):
    """report/eval.json: an accuracy that was measured on this build's graph."""

    build: str
    command: NotRequired[str]
    engine: str
    images: int
    accuracy: float


class ExportFile(TypedDict):
    """report/export.json: how the build was made."""

    command: str
    float_accuracy: float | None
    dialect: NotRequired[str]


class PointFile(TypedDict):
    """A row of sweep.json (`hwqat.sweep.points.Point`, and what became of it)."""

    rescale: int
    int_bits: int | str
    rounding: str
    weights: int | None
    acts: int | None
    layer: str | None
    const_rounding: str
    overflow: str
    power_of_two: bool
    acc_bits: int | None
    acc_overflow: str | None
    accuracy: float | None
    dsp: int | None
    lut: int | None
    memory_bits: int | None
    weight_bits: int | None
    cycles: int | None


class SweepFile(TypedDict):
    """sweep.json."""

    net: str
    data: str
    target: str
    images: int
    points: list[PointFile]


def read_plan(build: str | Path) -> PlanFile:
    """The plan of a BUILD."""
    return read_json(Path(build) / PLAN, PlanFile, AGAIN)


def read_ports(build: str | Path) -> PortsFile:
    """What a bench needs to know of a BUILD's RTL."""
    return read_json(Path(build) / PORTS, PortsFile, AGAIN)
