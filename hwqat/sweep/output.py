"""A sweep's result as a table, CSV, JSON and plots."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from pathlib import Path

from ..decode import encode_json, summed
from ..folders import write_whole
from .plots import plots
from .points import Point

COLUMNS = (
    *(field.name for field in fields(Point)),
    "accuracy",
    "dsp",
    "lut",
    "bram",
    "memory_bits",
    "weight_bits",
    "cycles",
    "saturated",
    "error",
)
HEAD = f"{'W':>3} {'I':>5} {'rounding':<14} {'w':>3} {'a':>3} {'accuracy':>10} {'DSP':>6} {'LUT':>8} {'memory':>11} {'cycles':>9}"


def line(row: dict) -> str:
    """A finished point as a line under HEAD."""
    start = f"{row['rescale']:>3} {row['int_bits']:>5} {row['rounding']:<14} {row['weights'] or '':>3} {row['acts'] or '':>3}"
    point = Point(**{field.name: row[field.name] for field in fields(Point)})
    where = "".join(f"  {word}" for word in (*point.options, point.layer) if word)
    if row["accuracy"] is None:
        return f"{start}  {row['error']}{where}"
    costs = f"{row['dsp']:>6,} {row['lut']:>8,} {row['memory_bits']:>11,} {row['cycles']:>9,}"
    return f"{start} {row['accuracy']:>8.2f} % {costs}{where}"


def write_result(result: dict, out: str | Path) -> list[Path]:
    """Write sweep.json, sweep.csv and the plots to ``out``; returns their paths."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(result["points"])
    files = {"sweep.json": encode_json(summed(result)).decode(), "sweep.csv": buffer.getvalue()}
    files |= {f"{name}.svg": svg + "\n" for name, svg in plots(result).items()}
    for name, text in files.items():
        write_whole(Path(out) / name, lambda path, text=text: path.write_text(text))
    return [Path(out) / name for name in files]
