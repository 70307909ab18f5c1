"""What the engines found out about a BUILD: one small JSON file each in BUILD/report/, for the report.

    report/plan.json, export.json    the plan, and how the build was made: written by export, in the manifest
    report/csim.json, cosim.json, csynth.json, synth.json, eval.json    results; each says which build it is of

The same command gives the same bytes: no times, no dates.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .decode import convert, encode_json, read_json, require_sum, summed
from .errors import HwqatError
from .folders import write_whole
from .manifest import Manifest, load_manifest
from .records import CheckFile, CsynthFile, EvalFile, SynthFile

FOLDER = "report"
#: Names of results, each that of the command, and what they are.
RESULTS = {"csim": CheckFile, "cosim": CheckFile, "csynth": CsynthFile, "synth": SynthFile, "eval": EvalFile}


def save_result(build: str | Path, name: str, result: dict) -> None:
    """Write BUILD/report/NAME.json, whole or not at all, with the digest of the build that it is of."""
    folder = Path(build) / FOLDER
    content = encode_json(summed({"build": load_manifest(build).digest, **result}))
    try:
        folder.mkdir(exist_ok=True)
        write_whole(folder / f"{name}.json", lambda path: path.write_bytes(content))
    except OSError as error:
        raise HwqatError(f"cannot write {folder / name}.json: {error.strerror}") from None


def load_results(build: str | Path, manifest: Manifest) -> dict[str, dict[str, Any]]:
    """The results that are of this build, by name. What was found out about another one is none."""
    found = {}
    for name, kind in RESULTS.items():
        path, advice = Path(build) / FOLDER / f"{name}.json", f"run 'hwqat {name} {build}' again"
        if path.is_file() and (result := read_json(path, dict[str, Any], advice)).get("build") == manifest.digest:
            found[name] = require_sum(result, str(path), advice)
            convert(result, kind, str(path), advice)
    return found
