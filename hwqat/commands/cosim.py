"""``hwqat cosim``: Verilate the RTL, drive it with cocotb, compare with golden."""

from __future__ import annotations

from pathlib import Path

from ..console import say
from ..results import save_result
from .arguments import edited_argument, typed
from .numbers import real, whole


def arguments(parser) -> None:
    parser.add_argument("build", metavar="BUILD", help="folder of a build")
    parser.add_argument("--frames", type=whole(1), default=20, metavar="N", help="frames at most (default 20)")
    parser.add_argument(
        "--stall",
        type=real(0, below=1),
        default=0.3,
        metavar="P",
        help="probability of a stall in a cycle (default 0.3)",
    )
    parser.add_argument(
        "--waves", action="store_true", help="record the first failing frame (or frame 0) as BUILD/report/waves.fst"
    )
    parser.add_argument(
        "--rtl", metavar="DIR", help="simulate the Verilog in DIR that an HLS compiler wrote from BUILD/hls"
    )
    edited_argument(parser)


def run(args):
    from ..sim.generated.cosim import run_cosim
    from .common import sources_of

    sources_of(args, "rtl", "vectors", "plan")
    result = run_cosim(Path(args.build), frames=args.frames, stall=args.stall, waves=args.waves, verilog=args.rtl)
    say(
        f"co-simulation: {result.frames} frames, {result.mismatches} mismatches, "
        f"{result.fill_cycles} cycles for the first frame, {result.steady_cycles} for each further one",
        good=not result.mismatches,
    )
    for line in (result.first, result.where):
        if line:
            print(line)
    found = cosim_json(result)
    if not args.edited:
        save_result(args.build, "cosim", {"command": typed(args, build="BUILD"), **found})
    return found, int(bool(result.mismatches))


def cosim_json(result) -> dict:
    """What ``--json`` prints and BUILD/report/cosim.json keeps."""
    return {
        "frames": result.frames,
        "mismatches": result.mismatches,
        "first": result.first,
        "where": result.where,
        "fill_cycles": result.fill_cycles,
        "steady_cycles": result.steady_cycles,
    }
