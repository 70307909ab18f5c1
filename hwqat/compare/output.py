"""The tables for people, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from hwqat.folders import write_whole

COLUMNS = ("table", "row", "column", "weight_bits", "act_bits", "trained", "accuracy", "lowers", "scheme")


def text(result: dict[str, Any]) -> str:
    """All tables, one under the other; a star marks what trains and evaluates but does not become hardware."""
    parts = [f"float: {result['float']:.2f} % of {result['images']} test images"]
    if any(row["trained"] for row in result["rows"]):
        parts[0] += f"; trained: {result['epochs']} epochs from it"
    for name in dict.fromkeys(row["table"] for row in result["rows"]):
        parts.append(_table(name, [row for row in result["rows"] if row["table"] == name]))
    refused = dict.fromkeys(row["refused"] for row in result["rows"] if row["refused"])
    parts += [f"* {why}" for why in refused]
    why_not: dict[str, list[str]] = {}
    for item in result["left_out"]:
        why_not.setdefault(item["why"], []).append(item["row"])
    parts += [f"left out: {why} ({'; '.join(dict.fromkeys(names))})" for why, names in why_not.items()]
    return "\n\n".join(parts)


def _table(name: str, rows: list[dict[str, Any]]) -> str:
    """One table: its name, its columns, then one line for each row; percent."""
    columns = list(dict.fromkeys(row["column"] for row in rows))
    names = list(dict.fromkeys(row["row"] for row in rows))
    cells = {(row["row"], row["column"]): f"{row['accuracy']:.2f}{'*' if row['refused'] else ' '}" for row in rows}
    width = max(map(len, [name, *names]))
    lines = [f"{name:<{width}}" + "".join(f"  {column:>8} " for column in columns)]
    lines += [
        f"{row:<{width}}" + "".join(f"  {cells.get((row, column), '- '):>9}" for column in columns) for row in names
    ]
    return "\n".join(line.rstrip() for line in lines)


def write_result(result: dict[str, Any], out: str | Path) -> list[Path]:
    """Write compare.json and compare.csv to ``out``; returns their paths."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(row | {"scheme": json.dumps(row["scheme"])} for row in result["rows"])
    files = {"compare.json": json.dumps(result, indent=1) + "\n", "compare.csv": buffer.getvalue()}
    for name, content in files.items():
        write_whole(Path(out) / name, lambda path, content=content: path.write_text(content))
    return [Path(out) / name for name in files]
