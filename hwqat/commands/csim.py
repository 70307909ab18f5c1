"""``hwqat csim``: compile the generated C++, run it on vectors/, compare with golden."""

from __future__ import annotations

from pathlib import Path

from ..results import save_result
from .common import require_build, typed


def arguments(parser) -> None:
    parser.add_argument("build", metavar="BUILD", help="folder of a build")
    parser.add_argument("--frames", type=int, metavar="N", help="frames at most (default: all in vectors/)")


def run(args):
    from ..sim.generated.csim import run_csim

    require_build(args.build)
    result = run_csim(Path(args.build), frames=args.frames)
    print(f"C-simulation: {result.frames} frames, {result.mismatches} mismatches")
    if result.first:
        print(result.first)
    found = csim_json(result)
    save_result(args.build, "csim", {"command": typed(args, build="BUILD"), **found})
    return found, int(bool(result.mismatches))


def csim_json(result) -> dict:
    """What ``--json`` prints and BUILD/report/csim.json keeps."""
    return {
        "frames": result.frames,
        "mismatches": result.mismatches,
        "first": result.first,
        "fill_cycles": None,
        "steady_cycles": max(result.trips.values(), default=None),
    }
