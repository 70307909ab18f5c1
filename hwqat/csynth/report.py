"""What an HLS compiler reports: csynth.xml of Vitis HLS, and the table that sets it against the plan."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import HwqatError

_PERFORMANCE = "PerformanceEstimates/SummaryOfOverallLatency"
#: Field -> (path in the XML, type).
_FIELDS = {
    "target_ns": ("UserAssignments/TargetClockPeriod", float),
    "estimated_ns": ("PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod", float),
    "latency_min": (f"{_PERFORMANCE}/Best-caseLatency", int),
    "latency_max": (f"{_PERFORMANCE}/Worst-caseLatency", int),
    "interval_min": (f"{_PERFORMANCE}/Interval-min", int),
    "interval_max": (f"{_PERFORMANCE}/Interval-max", int),
    "dsp": ("AreaEstimates/Resources/DSP", int),
    "lut": ("AreaEstimates/Resources/LUT", int),
    "ff": ("AreaEstimates/Resources/FF", int),
    "bram": ("AreaEstimates/Resources/BRAM_18K", int),
    "uram": ("AreaEstimates/Resources/URAM", int),
}
#: What an older release calls a resource.
_OLDER = {"AreaEstimates/Resources/DSP": "AreaEstimates/Resources/DSP48E"}


@dataclass(frozen=True)
class Synthesis:
    """One function's report. None: the compiler did not say, or said ``undef``.

    Attributes:
        target_ns, estimated_ns: clock period asked for, and reached.
        latency_*: cycles from a frame's start to its end; interval_*: cycles between the starts of two frames.
        dsp, lut, ff, bram (of 18 kbit), uram: resources.
    """

    target_ns: float | None = None
    estimated_ns: float | None = None
    latency_min: int | None = None
    latency_max: int | None = None
    interval_min: int | None = None
    interval_max: int | None = None
    dsp: int | None = None
    lut: int | None = None
    ff: int | None = None
    bram: int | None = None
    uram: int | None = None

    @property
    def fmax_mhz(self) -> float | None:
        return 1000 / self.estimated_ns if self.estimated_ns else None


def find_report(results: Path, top: str) -> Path:
    """The top's XML report below a tool's result folder."""
    folder = results / "syn" / "report"
    for name in (f"{top}_csynth.xml", "csynth.xml"):
        if (folder / name).is_file():
            return folder / name
    raise HwqatError(f"the HLS compiler ended without a report: there is no {folder / f'{top}_csynth.xml'}")


def read_report(path: Path) -> Synthesis:
    """A csynth XML report; a damaged one is one sentence."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise HwqatError(f"{path} is no synthesis report ({error}); run 'hwqat csynth' again") from None
    return Synthesis(**{name: _value(root, place, kind) for name, (place, kind) in _FIELDS.items()})


def read_stages(results: Path, plan: dict) -> list[dict]:
    """The reports of single stages, for those functions that the compiler did not inline: one dict a stage."""
    rows = []
    for stage in plan["stages"]:
        path = results / "syn" / "report" / f"{stage['name']}_csynth.xml"
        if path.is_file():
            found = read_report(path)
            rows.append(
                {
                    "name": stage["name"],
                    "cycles": found.latency_max,
                    "planned_cycles": stage["cycles"],
                    "dsp": found.dsp,
                    "planned_dsp": stage["dsp"],
                }
            )
    return rows


def plain(found: Synthesis, plan: dict) -> dict:
    """For ``--json`` and report/csynth.json."""
    planned = {
        "cycles": plan["cycles"],
        "clock_mhz": plan["clock_mhz"],
        **{key: plan[key] for key in ("dsp", "lut", "ff", "bram")},
    }
    return {**asdict(found), "fmax_mhz": found.fmax_mhz, "plan": planned}


def compared(found: Synthesis, plan: dict, stages: list[dict] = ()) -> str:
    """The report beside the plan, for people."""
    rows = [
        ("cycles between two frames", _span(found.interval_min, found.interval_max), f"{plan['cycles']:,}"),
        ("cycles of one frame", _span(found.latency_min, found.latency_max), ""),
        ("clock, MHz", "–" if found.fmax_mhz is None else f"{found.fmax_mhz:.1f}", f"{plan['clock_mhz']:g}"),
        *(
            (name, _number(getattr(found, key)), f"{plan[key]:,}")
            for name, key in (("DSP", "dsp"), ("LUT", "lut"), ("FF", "ff"), ("BRAM of 18 kbit", "bram"))
        ),
        ("URAM", _number(found.uram), "0"),
    ]
    text = _table(("", "synthesised", "planned"), rows)
    late = [row for row in stages if (row["cycles"] or 0) > row["planned_cycles"] + PIPELINE]
    if late:
        text += "\n\nstages with more cycles than planned:\n" + _table(
            ("stage", "synthesised", "planned"),
            [(row["name"], f"{row['cycles']:,}", f"{row['planned_cycles']:,}") for row in late],
        )
    return text


#: Cycles that a stage may take beyond its trips, to fill and empty its pipeline.
PIPELINE = 100


def _value(root, place: str, kind):
    text = root.findtext(place) or root.findtext(_OLDER.get(place, place)) or ""
    try:
        return kind(text)
    except ValueError:  # undef, or a unit that no release known to us writes
        return None


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _span(low: int | None, high: int | None) -> str:
    return _number(high) if low == high else f"{_number(low)} .. {_number(high)}"


def _table(head, rows) -> str:
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    return "\n".join(
        "  "
        + "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))).rstrip()
        for row in (head, *rows)
    )
