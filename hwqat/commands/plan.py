"""``hwqat plan``: does a network fit a board, how fast is it there, what limits it? In seconds, before any training."""

from __future__ import annotations

from ..boards import BOARDS
from ..config import read_config
from ..console import say_table
from ..errors import HwqatError
from . import layers
from .arguments import target_arguments, target_of

TABLES = ("target",)
HEAD = ("board", "fits", "frames/s", "latency, ms", "DSP", "LUT", "FF", "BRAM", "what limits")


def arguments(parser) -> None:
    layers.arguments(parser)
    target_arguments(parser)
    parser.add_argument("--all-boards", action="store_true", help="a table of all boards")


def run(args):
    from ..passes import make_plan
    from ..passes.report import plan_json

    if args.all_boards and (args.board or args.part or args.target):
        raise HwqatError("--all-boards plans for each board; leave out --board, --part and --target")
    targets = [target_of(args, name) for name in BOARDS] if args.all_boards else [target_of(args)]
    graph = _graph(args)
    if not args.all_boards:
        plan = make_plan(graph, targets[0])
        say_plan(plan)
        return plan_json(plan), 0
    rows = [_row(graph, target) for target in targets]
    _say(rows)
    return {"network": graph.name, "boards": rows}, 0


def say_plan(plan) -> None:
    """Print the plan: a row for each stage that computes or stores, then the totals."""
    from ..passes.report import WORDS, plan_rows, plan_summary

    head, *rows = plan_rows(plan)
    say_table(head, rows, WORDS)
    print("\n".join(["", *plan_summary(plan)]))


def _graph(args):
    """Of a RUN, a BUILD, or a network with the weights that it comes with."""
    from ..graph_io import load_graph
    from ..lower import lower
    from ..opening import is_build, open_run
    from ..restore import to_graph

    if layers.is_network(args.source):
        return lower(layers.network(args).eval(), args.source.rpartition(":")[2])
    said = read_config(args.config).scheme
    if args.image or args.data or (said and is_build(args.source)):
        raise HwqatError(
            f"{args.source} is no network's name, and what was trained has its own images and scheme; leave out --image, "
            "--data and [scheme]"
        )
    if is_build(args.source):
        return load_graph(args.source)
    trained = open_run(args.source)
    if other := sorted(set(differences(trained.model.scheme, said))):
        raise HwqatError(
            f"{args.source} was trained with another scheme than --config says ({', '.join(other)}); leave out [scheme], "
            "or train with it"
        )
    return to_graph(trained.model, trained.run)


def differences(scheme, said: dict) -> list[str]:
    """Keys of a [scheme] that say otherwise than the scheme itself. A file may serve training and hardware alike."""
    from ..quant import Scheme

    asked = Scheme.from_dict(scheme.to_dict() | said)
    return [key for key in said if getattr(asked, key) != getattr(scheme, key)]


def _row(graph, target) -> dict:
    """What a network is on a board. FIFOs are counted, which is quick, and somewhat more than they need to be."""
    from ..passes import make_plan
    from ..passes.depths import count_streams

    row = {"board": target.board, "part": target.chip.name}
    try:
        plan = make_plan(graph, target, size=count_streams)
    except HwqatError as error:
        return row | {"fits": False, "why": f"{error}"}
    used = {f"{name}_percent": round(share, 1) for name, share in plan.shares.items()}
    return row | {"fits": not plan.beyond, "fps": plan.rate, "latency_ms": plan.latency, **used, "limit": plan.limit}


def _say(rows) -> None:
    lines = []
    for row in rows:
        if "fps" not in row:
            lines.append((row["board"], "no", *[""] * 6, row["why"]))
            continue
        shares = (f"{row[f'{name}_percent']:.0f} %" for name in ("dsp", "lut", "ff", "bram"))
        fits = "yes" if row["fits"] else "no"
        lines.append((row["board"], fits, f"{row['fps']:,.0f}", f"{row['latency_ms']:.3g}", *shares, row["limit"]))
    say_table(HEAD, lines, left=2, last=True)
