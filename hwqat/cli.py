"""The command line: one module of `hwqat.commands` for each command; this file only finds and runs them."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import sys
import warnings

from . import __version__
from .commands import COMMANDS, load
from .errors import HwqatError
from .ranks import is_first


def make_parser(argv: list[str]) -> argparse.ArgumentParser:
    """Of all commands by name; of the one that is typed with its arguments, so that nothing else is imported."""
    parser = argparse.ArgumentParser(prog="hwqat")
    parser.description = "From a PyTorch network to an FPGA accelerator that computes exactly what was validated."
    parser.add_argument("--version", action="version", version=f"hwqat {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, does in COMMANDS.items():
        sub = subparsers.add_parser(name, help=does, description=does)
        if argv[:1] == [name]:
            module = load(name)
            module.arguments(sub)
            sub.add_argument("--json", action="store_true", help="print the result as one JSON object on the last line")
            sub.set_defaults(run=module.run)
    return parser


class _Printer(logging.Handler):
    """What the library says of its work, as lines of this program's output."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)


def _show_what_is_logged() -> None:
    log = logging.getLogger("hwqat")
    log.setLevel(logging.INFO)
    if not any(isinstance(handler, _Printer) for handler in log.handlers):
        log.addHandler(_Printer())


def main(argv: list[str] | None = None) -> int:
    """Run one command. Exit codes: 0 fine, 1 a check found a difference, 2 bad input (one sentence on stderr)."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv:
        make_parser(["--help"]).print_help()
        return 0
    args = make_parser(argv).parse_args(argv)
    _show_what_is_logged()
    args.argv = argv
    args.typed = shlex.join(["hwqat", *argv])
    warnings.formatwarning = lambda message, *_args, **_kw: f"hwqat: warning: {message}\n"
    try:
        result, code = args.run(args)
    except HwqatError as error:
        print(f"hwqat: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("hwqat: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone: `hwqat ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    if args.json and is_first():
        print(json.dumps(result))
    return code


if __name__ == "__main__":
    sys.exit(main())
