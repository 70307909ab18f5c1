"""``hwqat report``: one self-contained HTML page about a BUILD."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ..decode import convert, read_json, require_sum
from ..records import SweepFile
from ..zoo import PREFIX
from .arguments import data_arguments


def arguments(parser) -> None:
    parser.add_argument("build", metavar="BUILD", help="folder of a build")
    parser.add_argument(
        "other",
        nargs="?",
        metavar="OTHER",
        help="another build, to set beside it: accuracy, rate, resources, each layer",
    )
    parser.add_argument(
        "--run", metavar="RUN", dest="source", help="the run it was exported from: adds comparisons with float"
    )
    parser.add_argument("--sweep", metavar="DIR", help="folder of a sweep or search whose plots belong on the page")
    data_arguments(parser)


def run(args):
    from dataclasses import replace

    from ..report import differences, gather, read_other, write_report
    from .common import open_run, require_build

    began = time.monotonic()
    require_build(args.build, "hls", "rtl", "vectors", "report")
    sweep = None if args.sweep is None else _read_sweep(Path(args.sweep) / "sweep.json")
    other = None
    if args.other is not None:
        require_build(args.other, "report")
        other = read_other(args.other)
    facts = replace(gather(args.build), reported=_typed(args))
    if args.source is not None:
        from ..report.compare import compare

        trained = open_run(args.source)
        facts = replace(facts, compared=compare(facts, trained), trained=trained.run.command)
    path = write_report(facts, args.build, sweep, other)
    seconds, size = time.monotonic() - began, path.stat().st_size
    print(f"wrote {path} ({size / 1e6:.2f} MB) in {seconds:.1f} s")
    against = {} if other is None else {"other": args.other, "differences": differences(facts, other)}
    return {"path": str(path), "bytes": size, **against}, 0


def _typed(args) -> str:
    """The command, for the page: what is a way on this machine has a name."""
    run = args.source if str(args.source).startswith(PREFIX) else "RUN"
    parts = [(args.other, "OTHER"), (args.source, f"--run {run}"), (args.sweep, "--sweep DIR")]
    return " ".join(["hwqat report BUILD", *(words for given, words in parts if given is not None)])


def _read_sweep(path: Path) -> dict:
    advice = f"'hwqat sweep RUN --out {path.parent}' writes it"
    return convert(
        require_sum(read_json(path, dict[str, Any], advice), str(path), advice), SweepFile, str(path), advice
    )
