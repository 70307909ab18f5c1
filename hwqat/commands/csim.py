"""``hwqat csim``: compile the generated C++, run it on vectors/, compare with golden."""

from __future__ import annotations

from pathlib import Path

from .common import require_build

HELP = "compile the HLS C++ with g++, run it and compare it with golden"


def arguments(parser) -> None:
    parser.add_argument("build", metavar="BUILD", help="folder of a build")
    parser.add_argument("--frames", type=int, metavar="N", help="frames at most (default: all in vectors/)")


def run(args):
    from ..sim.csim import run_csim

    require_build(args.build)
    result = run_csim(Path(args.build), frames=args.frames, progress=True)
    print(f"C-simulation: {result.frames} frames, {result.mismatches} mismatches")
    if result.first:
        print(result.first)
    return {"frames": result.frames, "mismatches": result.mismatches, "first": result.first,
            "fill_cycles": None, "steady_cycles": max(result.trips.values(), default=None)}, int(bool(result.mismatches))  # fmt: skip
