"""``hwqat csim``: compile the generated C++, run it on vectors/, compare with golden."""

from __future__ import annotations

from ..console import say
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
    from ..api import csim

    command = typed(args, build="BUILD")
    found = csim(args.build, args.frames, bounded=args.bounded, edited=args.edited, command=command)
    say(
        f"C-simulation{' on bounded streams' if args.bounded else ''}: {found.frames} frames, {found.mismatches} mismatches",
        good=bool(found),
    )
    for line in (found.first, found.where):
        if line:
            print(line)
    return found, int(not found)
