"""What the functions of `hwqat.api` give: the records that `--json` prints, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Checked:
    """What a simulation found; true where nothing differs.

    Attributes:
        frames: frames compared with golden. mismatches: integers that differ, and broken rules of streams and protocols.
        first: the first difference in words, or None. where: of a frame that differs, the first stage that does.
        fill_cycles: cycles from the first beat in to the last one out of the first frame; None in C-simulation.
        steady_cycles: cycles for each further frame; in C-simulation, trips a frame of the longest loop.
    """

    frames: int
    mismatches: int
    first: str | None
    where: str | None
    fill_cycles: int | None
    steady_cycles: int | None

    def __bool__(self) -> bool:
        return not self.mismatches


@dataclass(frozen=True)
class Evaluated:
    """accuracy: percent of ``images`` images that an engine classifies right."""

    engine: str
    images: int
    accuracy: float


@dataclass(frozen=True)
class Synthesised:
    """Resources of the RTL as Yosys counts them.

    Attributes:
        target: family of devices. dsp, lut, ff, bram, uram: of the whole build.
        fmax_mhz: on ECP5, the clock that nextpnr reaches, and with each seed; None where nothing was placed.
        plan: the plan's estimate of the same, where it is for this target.
        utilisation: on ECP5, of each kind of cell, those used and available. critical_path: the slowest one's cells.
        stages: for each stage its name, kind, counts and the plan's estimate.
    """

    target: str
    dsp: int
    lut: int
    ff: int
    bram: int
    uram: int
    fmax_mhz: float | None
    fmax_by_seed: dict[int, float] | None
    plan: dict[str, int] | None
    utilisation: dict[str, dict[str, int]] | None
    critical_path: list[str] | None
    stages: list[dict[str, Any]]

    def __repr__(self) -> str:
        clock = "" if self.fmax_mhz is None else f", {self.fmax_mhz:.1f} MHz"
        counts = ", ".join(f"{getattr(self, kind):,} {kind.upper()}" for kind in ("dsp", "lut", "ff", "bram"))
        return f"Synthesised({self.target}: {counts}{clock}, {len(self.stages)} stages)"


@dataclass(frozen=True)
class Difference:
    """Of two builds; better: whether ``mine`` is, None where they are equal or nothing can be said."""

    what: str
    mine: float | None
    other: float | None
    better: bool | None


@dataclass(frozen=True)
class Reported:
    """The page; differences: from the other build, where one was named."""

    path: str
    bytes: int
    other: str | None = None
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class ToolFound:
    """A tool: whether it is there, needed by 'make export', what it enables and how to get it."""

    name: str
    found: bool
    needed: bool
    version: str | None
    place: str | None
    enables: str
    get: str


@dataclass(frozen=True)
class Doctored:
    """ready: every tool that is needed is there."""

    ready: bool
    tools: tuple[ToolFound, ...]

    def __bool__(self) -> bool:
        return self.ready

    def __repr__(self) -> str:
        missing = [tool.name for tool in self.tools if not tool.found]
        return f"Doctored(ready={self.ready}, {len(self.tools)} tools, missing: {', '.join(missing) or 'none'})"


@dataclass(frozen=True)
class Swept:
    """points: for each the formats and bits, its accuracy in percent over ``images`` test images, and its costs."""

    net: str
    data: str
    target: str
    images: int
    points: list[dict[str, Any]]

    def __repr__(self) -> str:
        return f"Swept({self.net} on {self.data}: {len(self.points)} points over {self.images} images)"


@dataclass(frozen=True)
class Searched:
    """Bits for each layer.

    Attributes:
        images: training images that choices were judged by. layers: paths, in the order of all lists of bits.
        budget: most of each cost. best: the choice, with its loss, accuracy and costs.
        tuned: the best after training, if asked for. uniform: the same bits for all layers. points: all trials.
    """

    images: int
    layers: list[str]
    budget: dict[str, int]
    best: dict[str, Any]
    tuned: list[dict[str, Any]]
    uniform: dict[str, Any]
    points: list[dict[str, Any]]

    def __repr__(self) -> str:
        best = f"{self.best['accuracy']:.2f} % at {self.best['weight_bits']:,} bits of weights"
        return f"Searched({len(self.layers)} layers, {len(self.points)} trials: {best})"
