"""What the engines found out about a BUILD: one small JSON file each in BUILD/report/, for the report.

    report/plan.json     the plan (written by export)         report/csim.json, cosim.json, csynth.json, synth.json, sweep.json
    report/export.json   how it was made

The same command gives the same bytes: no times, no dates.
"""

from __future__ import annotations

import json
from pathlib import Path

from .errors import HwqatError
from .folders import write_whole

FOLDER = "report"


def save_result(build: str | Path, name: str, result: dict) -> None:
    """Write BUILD/report/NAME.json, whole or not at all."""
    folder = Path(build) / FOLDER
    text = json.dumps(result, indent=1) + "\n"
    try:
        folder.mkdir(exist_ok=True)
        write_whole(folder / f"{name}.json", lambda path: path.write_text(text))
    except OSError as error:
        raise HwqatError(f"cannot write {folder / name}.json: {error.strerror}") from None


def load_results(build: str | Path) -> dict[str, dict]:
    """Every JSON file of BUILD/report/, by name."""
    found = {}
    for path in sorted((Path(build) / FOLDER).glob("*.json")):
        try:
            found[path.stem] = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise HwqatError(f"{path} is damaged ({error}); run the command that wrote it again") from None
    return found
