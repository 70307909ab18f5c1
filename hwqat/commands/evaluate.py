"""``hwqat eval``: accuracy of a RUN or BUILD through one of the engines."""

from __future__ import annotations

from ..names import ENGINES
from .arguments import data_arguments, edited_argument, typed
from .numbers import whole


def arguments(parser) -> None:
    parser.add_argument("source", metavar="RUN|BUILD", help="folder of a run or of a build")
    parser.add_argument("--engine", default="golden", metavar="E", help=f"{', '.join(ENGINES)} (default golden)")
    parser.add_argument("--limit", type=whole(1), metavar="N", help="test images at most")
    edited_argument(parser)
    data_arguments(parser)


def run(args):
    from ..api import evaluate

    command = typed(args, source="BUILD")
    found = evaluate(
        args.source, args.engine, limit=args.limit, data=args.data_dir, edited=args.edited, command=command
    )
    print(f"{found.engine}: {found.accuracy:.2f} % of {found.images} images")
    return found, 0
