"""The command line: one module of `hwqat.commands` for each command; this file only finds and runs them."""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import shlex
import sys
import warnings

from . import __version__, processes
from .commands import COMMANDS, load
from .errors import HwqatError
from .ranks import is_first


class _Parser(argparse.ArgumentParser):
    """What is wrong is one sentence, without the lines of the usage in front of it."""

    def error(self, message: str):
        if found := re.fullmatch(r"argument ([^:]+): ((?:must|takes) .*)", message):  # of hwqat.commands.numbers
            raise HwqatError(f"{found[1]} {found[2]}")
        self.exit(2, f"hwqat: {message}; '{self.prog} --help' tells what there is\n")


def make_parser(argv: list[str]) -> argparse.ArgumentParser:
    """Of all commands by name; of the one that is typed with its arguments, so that nothing else is imported."""
    parser = _Parser(prog="hwqat")
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
    for stream in (sys.stdout, sys.stderr):  # a name that is no text is no reason to fail
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    warnings.formatwarning = lambda message, *_args, **_kw: f"hwqat: warning: {message}\n"
    try:
        with processes.command():
            return _run(argv)
    except KeyboardInterrupt as error:
        print("hwqat: interrupted", file=sys.stderr)
        return 143 if isinstance(error, processes.Terminated) else 130
    except BrokenPipeError:  # the reader of our output has gone: `hwqat ... | head`
        _close_output()
        return 141
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        if isinstance(error, OSError):
            _close_output()
        print(f"hwqat: {sentence}", file=sys.stderr)
        return 2


def _run(argv: list[str]) -> int:
    parser = make_parser(argv)
    if odd := next((word for word in argv if re.fullmatch(r"--?\w[\w-]*=--", word)), None):
        parser.error(f"argument {odd[:-3]}: takes a value, not '--'")  # argparse makes a list of it
    for before, word in zip([parser.prog, *argv], argv):
        if "\0" in word:
            raise HwqatError(f"what follows {before} has a NUL in it, which no name can have")
        if not word.strip() or re.fullmatch(r"--?\w[\w-]*=\s*", word):
            raise HwqatError(f"{word.partition('=')[0].strip() or f'what follows {before}'} is empty; give a value")
    args = parser.parse_args(argv)
    _show_what_is_logged()
    args.argv = argv
    args.typed = shlex.join(["hwqat", *argv])
    try:
        result, code = args.run(args)
    except SystemExit as stop:  # of a user's own network, say
        raise HwqatError(_of_own(stop) or f"the program was ended with exit code {stop.code}") from None
    if args.json and is_first():
        print(json.dumps(result))
    sys.stdout.flush()
    return code


def _close_output() -> None:
    """Where output cannot be written, Python is not to try again when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _of_own(error: BaseException) -> str | None:
    """Of an error in a user's own file: where, and what."""
    own = sys.modules.get("hwqat.own")  # else nothing of the user's has run
    return own.fault_in_own(error) if own is not None else None


def _sentence(error: Exception) -> str | None:
    """What is to be said of an error that is not a fault of hwqat itself; None: it is one."""
    if isinstance(error, HwqatError):
        return str(error)
    if said := _of_own(error):
        return said
    if isinstance(error, OSError):
        names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
        why = error.strerror or str(error) or type(error).__name__
        return f"{' and '.join(names)}: {why}" if names else f"the system refused to go on: {why}"
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "out of memory" in str(error):
        return "there is not enough memory for this; try fewer images, frames or jobs, or a smaller network"
    if isinstance(error, RecursionError):
        return "what was given is nested too deeply"
    return None


if __name__ == "__main__":
    sys.exit(main())
