"""``hwqat synth``: resources of the RTL as Yosys counts them; on ECP5, the clock it reaches after routing."""

from __future__ import annotations

from ..console import say_table
from .arguments import edited_argument, typed
from .numbers import whole


def arguments(parser) -> None:
    parser.add_argument("build", metavar="BUILD", help="folder of a build")
    parser.add_argument("--target", metavar="T", help="xcup, xc7 or ecp5-85k (default: the plan's)")
    parser.add_argument("--no-route", action="store_true", help="on ECP5, count only")
    parser.add_argument(
        "--seeds",
        type=whole(1, 10_000),
        default=1,
        metavar="N",
        help="on ECP5, the fastest of N placements (default 1)",
    )
    parser.add_argument(
        "--jobs", type=whole(1, 4096), metavar="N", help="processes at a time (default: half the processors)"
    )
    edited_argument(parser)


def run(args):
    from ..api import synthesise
    from ..synth import synth_rows
    from ..synth.result import WORDS

    found, result = synthesise(
        args.build,
        args.target,
        route=not args.no_route,
        seeds=args.seeds,
        jobs=args.jobs,
        edited=args.edited,
        command=typed(args, build="BUILD"),
    )
    head, *rows, total = synth_rows(result)
    say_table(head, rows, WORDS, total=total)
    if result.placed:
        used = ", ".join(f"{n:,} of {there:,} {kind}" for kind, (n, there) in result.placed.utilisation.items())
        print(f"\nplaced and routed: {result.placed.fmax_mhz:.1f} MHz; {used}")
        if args.seeds > 1:
            print("by seed: " + ", ".join(f"{seed}: {mhz:.1f}" for seed, mhz in result.placed.seeds.items()) + " MHz")
    return found, 0
