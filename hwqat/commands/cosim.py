"""``hwqat cosim``: Verilate the RTL, drive it with cocotb, compare with golden."""

from __future__ import annotations

from ..console import say
from ..shown import cycles_words
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
    from ..api import cosim

    found = cosim(
        args.build,
        args.frames,
        stall=args.stall,
        waves=args.waves,
        verilog=args.rtl,
        edited=args.edited,
        command=typed(args, build="BUILD"),
    )
    say(
        f"co-simulation: {found.frames} frames, {found.mismatches} mismatches, "
        f"{cycles_words(found.fill_cycles, found.steady_cycles)}",
        good=bool(found),
    )
    for line in (found.first, found.where):
        if line:
            print(line)
    return found, int(not found)
