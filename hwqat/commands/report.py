"""``hwqat report``: one self-contained HTML page about a BUILD."""

from __future__ import annotations

import time

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
    from ..api import report

    began = time.monotonic()
    found = report(args.build, args.other, run=args.source, sweep=args.sweep, command=_typed(args))
    print(f"wrote {found.path} ({found.bytes / 1e6:.2f} MB) in {time.monotonic() - began:.1f} s")
    return found, 0


def _typed(args) -> str:
    """The command, for the page: what is a way on this machine has a name."""
    run = args.source if str(args.source).startswith(PREFIX) else "RUN"
    parts = [(args.other, "OTHER"), (args.source, f"--run {run}"), (args.sweep, "--sweep DIR")]
    return " ".join(["hwqat report BUILD", *(words for given, words in parts if given is not None)])
