"""The journal of a sweep: finished work, one JSON line each, so that an interrupted sweep goes on where it was.
Each line ends with a sum of its own, "sum". Lines come as work ends, in no order that another run would repeat; when
the sweep has ended they are put in one, so that the file says what was found and not when.

{"journal": 2, "run": digest, "step": images per piece}
{"point": key, "from": 0, "to": 100, "correct": 91}
{"point": key, "target": "...", "cost": {...}}
{"point": key, "error": "..."}
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..decode import decode_json, require_sum, summed
from ..errors import HwqatError
from ..folders import require_own, write_whole

VERSION = 2
AGAIN = "remove the file to begin again"
NAME = "points.jsonl"


class Journal:
    """What is finished. counts: (point, from, to) -> images classified right; costs: (point, target) -> numbers;
    errors: point -> why it cannot be lowered."""

    def __init__(self, folder: str | Path, run: str, step: int) -> None:
        """Open the journal of ``folder``, or begin one. ``run`` names the trained network; another one's is refused."""
        self.path = Path(folder) / NAME
        self.counts: dict[tuple[str, int, int], int] = {}
        self.costs: dict[tuple[str, str], dict] = {}
        self.errors: dict[str, str] = {}
        head = self.head = {"journal": VERSION, "run": run, "step": step}
        require_own(folder, (NAME,), ("sweep.json", "sweep.csv"))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        except OSError as error:
            raise HwqatError(f"cannot use {folder} for the sweep: {error.strerror}; choose another --out") from None
        whole, torn = (lines[:-1], lines[-1]) if lines else ([], b"")
        self._read(whole, head)
        self.file = open(self.path, "r+b" if lines else "w+b")
        self.file.seek(0, os.SEEK_END)
        if torn:  # the sweep was killed while it wrote: that line never counted
            self.file.truncate(self.file.tell() - len(torn))
            self.file.seek(0, os.SEEK_END)
        if not whole:
            self._write(head)

    def _read(self, lines: list[bytes], head: dict) -> None:
        for number, line in enumerate(lines, 1):
            where = f"{self.path}, line {number}"
            try:
                entry = require_sum(decode_json(line, dict[str, Any], where, AGAIN), where, AGAIN)
                if number == 1 and entry != head:
                    raise HwqatError(
                        f"{self.path} belongs to another network, data set or version; choose another --out"
                    )
                if number > 1:
                    self._take(entry)
            except (ValueError, KeyError, TypeError):
                raise HwqatError(f"{where} is damaged; {AGAIN}") from None

    def _take(self, entry: dict) -> None:
        point = entry["point"]
        if "correct" in entry:
            self.counts[point, entry["from"], entry["to"]] = entry["correct"]
        elif "cost" in entry:
            self.costs[point, entry["target"]] = entry["cost"]
        else:
            self.errors[point] = entry["error"]

    def add(self, **entry) -> None:
        """Remember an entry, on disk before anything else happens."""
        self._take(entry)
        self._write(entry)

    def _write(self, entry: dict) -> None:
        self.file.write(_line(entry))
        self.file.flush()

    def close(self) -> None:
        self.file.close()

    def settle(self) -> None:
        """Close the journal with its lines in order: by point; its costs, then its counts, piece by piece."""
        self.close()
        costs = [{"point": point, "target": to, "cost": cost} for (point, to), cost in sorted(self.costs.items())]
        counts = [
            {"point": point, "from": start, "to": stop, "correct": correct}
            for (point, start, stop), correct in sorted(self.counts.items())
        ]
        errors = [{"point": point, "error": why} for point, why in self.errors.items()]
        entries = sorted([*costs, *counts, *errors], key=lambda entry: entry["point"])
        text = b"".join(map(_line, [self.head, *entries]))
        if text != self.path.read_bytes():
            write_whole(self.path, lambda path: path.write_bytes(text))


def _line(entry: dict) -> bytes:
    return json.dumps(summed(entry)).encode() + b"\n"
