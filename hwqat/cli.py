"""The command line: one module of `hwqat.commands` for each command; this file only finds and runs them."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import re
import shlex
import sys
import warnings

from . import __version__, console, processes, progress
from .commands import COMMANDS, load
from .errors import HwqatError
from .ranks import is_first


class _NotTyped(Exception):
    """The positional argument is not typed, and a config file has it: args[0]."""


class _Parser(argparse.ArgumentParser):
    """What is wrong is one sentence, without the lines of the usage in front of it."""

    #: Tables of a config file that the command takes its options from.
    tables: tuple[str, ...] = ()
    #: What a config file says for the positional argument, where none is typed.
    instead: list[str] = []
    #: Of all commands: the parser of the one that is typed.
    typed: _Parser | None = None

    def error(self, message: str):
        if self.instead and message.startswith("the following arguments are required"):
            instead, self.instead = self.instead, []
            raise _NotTyped(instead)
        if found := re.fullmatch(r"argument ([^:]+): ((?:must|takes) .*)", message):  # of hwqat.commands.numbers
            raise HwqatError(f"{found[1]} {found[2]}")
        _complain(f"{message}; '{self.prog} --help' tells what there is")
        self.exit(2)


def make_parser(argv: list[str]) -> _Parser:
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
            sub.add_argument(
                "--json", action="store_true", help="print the result as one JSON object, and nothing else"
            )
            loud = sub.add_mutually_exclusive_group()
            loud.add_argument(
                "-q", "--quiet", action="store_true", help="say the result and what is wrong, nothing else"
            )
            loud.add_argument(
                "-v", "--verbose", action="store_true", help="say which tools are run, too, and with what"
            )
            sub.set_defaults(run=module.run)
            sub.tables = getattr(module, "TABLES", ())
            parser.typed = sub
    return parser


class _Printer(logging.Handler):
    """What the library says of its work, as lines of this program's output."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)


def _show_what_is_logged(level: int) -> None:
    log = logging.getLogger("hwqat")
    log.setLevel(level)
    if not any(isinstance(handler, _Printer) for handler in log.handlers):
        log.addHandler(_Printer())


def main(argv: list[str] | None = None) -> int:
    """Run one command. Exit codes: 0 fine, 1 a check found a difference, 2 bad input (one sentence on stderr)."""
    argv = sys.argv[1:] if argv is None else argv
    if "_ARGCOMPLETE" in os.environ:  # the shell asks what may come next
        from .completion import complete

        complete(make_parser)
    if not argv:
        make_parser(["--help"]).print_help()
        return 0
    for stream in (sys.stdout, sys.stderr):  # a name that is no text is no reason to fail
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    warnings.formatwarning = lambda message, *_args, **_kw: f"{_name('yellow')} warning: {message}\n"
    try:
        with processes.command():
            return _run(argv)
    except KeyboardInterrupt as error:
        _complain("interrupted")
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
        _complain(sentence)
        return 2


def _name(style: str) -> str:
    """Who speaks, on stderr."""
    return console.styled("hwqat:", style, sys.stderr)


def _complain(sentence: str) -> None:
    print(f"{_name('bold red')} {sentence}", file=sys.stderr)


def _run(argv: list[str]) -> int:
    parser = make_parser(argv)
    if odd := next((word for word in argv if re.fullmatch(r"--?\w[\w-]*=--", word)), None):
        parser.error(f"argument {odd[:-3]}: takes a value, not '--'")  # argparse makes a list of it
    for before, word in zip([parser.prog, *argv], argv):
        if "\0" in word:
            raise HwqatError(f"what follows {before} has a NUL in it, which no name can have")
        if not word.strip() or re.fullmatch(r"--?\w[\w-]*=\s*", word):
            raise HwqatError(f"{word.partition('=')[0].strip() or f'what follows {before}'} is empty; give a value")
    args = _parsed(parser, argv)
    _show_what_is_logged(logging.DEBUG if args.verbose else logging.WARNING if args.quiet else logging.INFO)
    args.argv = argv
    args.typed = shlex.join(["hwqat", *argv])
    alone = console.silent(words=args.verbose) if args.json else contextlib.nullcontext()
    try:
        with progress.hidden(args.json or args.quiet), alone:
            result, code = args.run(args)
    except SystemExit as stop:  # of a user's own network, say
        raise HwqatError(_of_own(stop) or f"the program was ended with exit code {stop.code}") from None
    if args.json and is_first():
        print(_as_json(result))
    sys.stdout.flush()
    return code


def _parsed(parser: _Parser, argv: list[str]) -> argparse.Namespace:
    """The arguments: what is typed, and what files behind --config say otherwise."""
    if parser.typed is not None and parser.typed.tables and any(word.startswith("--co") for word in argv):
        from .commands.options import take

        if not {"-h", "--help"} & {*argv}:
            parser.typed.instead = take(parser.typed, parser.typed.tables, argv)
    try:
        args, unknown = parser.parse_known_args(argv)
    except _NotTyped as missing:
        args, unknown = parser.parse_known_args([*argv, *missing.args[0]])
    if unknown:  # said of the command, which has the help that is wanted
        parser.prog += f" {argv[0]}"
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return args


def _as_json(result: object) -> str:
    """One line. A number that is none (NaN, infinite) is null, which JSON has."""
    import msgspec

    return msgspec.json.encode(result, enc_hook=_plain).decode()


def _plain(value: object) -> object:
    """What msgspec does not know: ways to files, and numpy's numbers."""
    return value.item() if hasattr(value, "item") else os.fspath(value)  # type: ignore[call-overload]


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
