"""What several commands share of their arguments; this file and what it imports wait for neither numpy nor torch."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace

from ..boards import Utilisation
from ..devices import DEVICES
from ..names import FORMS
from .numbers import real, whole


def edited_argument(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--edited", action="store_true", help="take files that were changed since the export; the result is not kept"
    )


def data_arguments(parser: ArgumentParser, own: bool = True) -> None:
    """own: --data, too: data of one's own, typed again. A command that has a --data of its own says False."""
    names = ("--data-dir", "--data") if own else ("--data-dir",)
    words = f"; or your own data again: {FORMS}" if own else ""
    parser.add_argument(
        *names, dest="data_dir", metavar="D", help=f"where the data set's files lie, for one that needs files{words}"
    )


def target_arguments(parser: ArgumentParser) -> None:
    """Of what is planned; a command with them has ``TABLES`` with "target" (hwqat.commands.options)."""
    if "--config" not in parser._option_string_actions:
        parser.add_argument(
            "--config",
            action="append",
            default=[],
            metavar="F.toml",
            help="TOML with [target]: these options, in a file",
        )
    parser.add_argument("--board", metavar="B", help="board, such as pynq-z2; 'hwqat boards' lists them")
    parser.add_argument("--part", metavar="P", help="part by its vendor's name, such as xc7z020clg400-1")
    parser.add_argument(
        "--target", metavar="T", help=f"device family: {', '.join(DEVICES)} (default: the board's, or xcup)"
    )
    parser.add_argument(
        "--clock", type=real(above=0, most=10_000), default=200.0, metavar="MHZ", help="clock in MHz (default 200)"
    )
    parser.add_argument(
        "--fps", type=real(above=0, most=1e12), metavar="F", help="frames a second to reach with the least resources"
    )
    parser.add_argument(
        "--latency",
        type=real(above=0, most=1e9),
        metavar="MS",
        help="milliseconds from a frame's first beat in to its last beat out, at most, with the least resources",
    )
    parser.add_argument(
        "--fit",
        metavar="AIMS",
        help="what to make as good as the device allows, the first of several first: fps (default), latency, "
        "'fps,latency', 'latency,fps'; --fps and --latency hold beside it",
    )
    parser.add_argument("--dsp", type=whole(1), metavar="N", help="DSP blocks at most, for the best rate within")
    for name, percent in vars(Utilisation()).items():
        what = f"share of the device's {name.upper()} that may be used, in percent (default {percent:g})"
        kind = real(above=0, most=100)
        parser.add_argument(f"--use-{name}", type=kind, default=float(percent), metavar="PERCENT", help=what)
    parser.add_argument("--anyway", action="store_true", help="plan what does not fit the device, too")


def target_of(args: Namespace, board: str | None = None):
    """The `hwqat.Target` that was typed. board: instead of what was typed."""
    from ..passes import Target

    return Target(
        device=(args.target or "") if board is None else "",
        clock_mhz=args.clock,
        fps=args.fps,
        dsp=args.dsp,
        latency=args.latency,
        fit=args.fit,
        board=board or args.board,
        part=args.part if board is None else None,
        use=Utilisation(**{name: getattr(args, f"use_{name}") for name in vars(Utilisation())}),
        anyway=args.anyway,
    )


#: How the result is said changes nothing.
HOW_SAID = ("--json", "-q", "--quiet", "-v", "--verbose")


def typed(args: Namespace, **names: str) -> str:
    """The command that runs, as it was typed; ``names`` stand for what was given as those arguments.

    A build says how it was made, but not where it was written: the same bytes in every folder.
    """
    words = [args.argv[0]]  # the command's name
    for before, word in zip(args.argv, args.argv[1:]):
        if before == "--config":
            word = word.rpartition("/")[2]
        for argument, name in names.items():
            given, option = str(getattr(args, argument)), f"--{argument.replace('_', '-')}"
            behind = before.startswith("--") and option.startswith(before)  # argparse takes a beginning, too
            if word == given and (behind or not before.startswith("--")):
                word = name
            elif word.partition("=")[2] == given and option.startswith(word.partition("=")[0]):
                word = f"{option}={name}"
        if word not in HOW_SAID:
            words.append(word)
    return shlex.join(["hwqat", *words])
