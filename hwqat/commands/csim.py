"""``hwqat csim``: compile the generated C++, run it on vectors/, compare with golden."""

from __future__ import annotations

from pathlib import Path

from ..console import say
from ..results import save_result
from .arguments import edited_argument, typed
from .numbers import whole


def arguments(parser) -> None:
    parser.add_argument("build", metavar="BUILD", help="folder of a build")
    parser.add_argument("--frames", type=whole(1), metavar="N", help="frames at most (default: all in vectors/)")
    parser.add_argument(
        "--bounded", action="store_true", help="on streams that hold no more than their FIFOs: finds a deadlock"
    )
    edited_argument(parser)


def run(args):
    from ..sim.generated.csim import run_csim
    from .common import sources_of

    sources_of(args, "hls", "vectors", "plan")
    result = run_csim(Path(args.build), frames=args.frames, bounded=args.bounded)
    say(
        f"C-simulation{' on bounded streams' if args.bounded else ''}: {result.frames} frames, {result.mismatches} mismatches",
        good=not result.mismatches,
    )
    for line in (result.first, result.where):
        if line:
            print(line)
    found = csim_json(result)
    if not args.edited:
        save_result(args.build, "csim", {"command": typed(args, build="BUILD"), **found})
    return found, int(bool(result.mismatches))


def csim_json(result) -> dict:
    """What ``--json`` prints and BUILD/report/csim.json keeps."""
    return {
        "frames": result.frames,
        "mismatches": result.mismatches,
        "first": result.first,
        "where": result.where,
        "fill_cycles": None,
        "steady_cycles": max(result.trips.values(), default=None),
    }
