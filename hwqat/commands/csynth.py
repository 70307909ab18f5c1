"""``hwqat csynth``: the HLS compiler that is on PATH, on the generated C++; its report beside the plan."""

from __future__ import annotations

from ..results import save_result
from .arguments import edited_argument, typed
from .numbers import real


def arguments(parser) -> None:
    parser.add_argument("build", metavar="BUILD", help="folder of a build")
    parser.add_argument("--tool", metavar="TOOL", help="vitis or bambu (default: the first that is on PATH)")
    parser.add_argument("--part", metavar="P", help="device part, such as xczu9eg-ffvb1156-2-e (default: the target's)")
    parser.add_argument(
        "--clock", type=real(above=0, most=10_000), metavar="MHZ", help="clock in MHz (default: the plan's)"
    )
    edited_argument(parser)


def run(args):
    from ..csynth import run_csynth
    from ..opening import sources

    sources(args.build, args.edited, "hls", "plan")
    found = run_csynth(
        args.build,
        tool=args.tool,
        part=args.part,
        clock_mhz=args.clock,
        say=lambda line: print(line, flush=True),
        edited=args.edited,
    )
    command = typed(args, build="BUILD")
    if not args.edited:
        save_result(args.build, "csynth", {"command": command, **found})
    return found, 0
