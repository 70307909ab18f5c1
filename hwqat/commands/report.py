"""``hwqat report``: one self-contained HTML page about a BUILD."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ..decode import convert, read_json, require_sum
from ..records import SweepFile
from .arguments import data_arguments


def arguments(parser) -> None:
    parser.add_argument("build", metavar="BUILD", help="folder of a build")
    parser.add_argument(
        "--run", metavar="RUN", dest="source", help="the run it was exported from: adds comparisons with float"
    )
    parser.add_argument("--sweep", metavar="DIR", help="folder of a sweep or search whose plots belong on the page")
    data_arguments(parser)


def run(args):
    from ..report import gather, write_report
    from .common import open_run, require_build

    began = time.monotonic()
    require_build(args.build, "hls", "rtl", "vectors", "report")
    sweep = None if args.sweep is None else _read_sweep(Path(args.sweep) / "sweep.json")
    facts = gather(args.build)
    if args.source is not None:
        from dataclasses import replace

        from ..report.compare import compare

        facts = replace(facts, compared=compare(facts, open_run(args.source)))
    path = write_report(facts, args.build, sweep)
    seconds, size = time.monotonic() - began, path.stat().st_size
    print(f"wrote {path} ({size / 1e6:.2f} MB) in {seconds:.1f} s")
    return {"path": str(path), "bytes": size}, 0


def _read_sweep(path: Path) -> dict:
    advice = f"'hwqat sweep RUN --out {path.parent}' writes it"
    return convert(
        require_sum(read_json(path, dict[str, Any], advice), str(path), advice), SweepFile, str(path), advice
    )
