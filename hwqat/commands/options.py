"""Options of commands as tables of a config file: [run] is what `hwqat train` takes, [target] the plan's, [export] the rest.

The one definition of an option, its range included, is its `add_argument`. The records (msgspec) that a file is held to,
and the JSON schema that editors complete by, are made of that.
"""

from __future__ import annotations

import functools
from argparse import Action, ArgumentError, ArgumentParser
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import msgspec

from ..config import Config, read_config
from ..decode import convert

#: Options of every command, which say how it speaks and where its config is.
NOT_IN_FILES = ("help", "config", "json", "quiet", "verbose")
#: Tables that are options of commands.
OPTIONS = ("run", "target", "export")


def _actions(table: str) -> list[Action]:
    """What a table may state, by the commands' own arguments."""
    from . import export, train
    from .arguments import target_arguments

    def of(*makers) -> list[Action]:
        parser = ArgumentParser(add_help=False)
        for maker in makers:
            maker(parser)
        return [action for action in parser._actions if action.dest not in NOT_IN_FILES]

    target = of(target_arguments)
    if table == "target":
        return target
    planned = {action.dest for action in target}
    return [action for action in of({"run": train, "export": export}[table].arguments) if action.dest not in planned]


@functools.cache
def record(table: str) -> type[msgspec.Struct]:
    """The record of a table: a field for each option, unset where the file says nothing."""
    actions = _actions(table)
    fields = [
        (action.dest, Annotated[_kind(action), _meta(action)] | msgspec.UnsetType, msgspec.UNSET) for action in actions
    ]
    names = {action.dest: key(action) for action in actions}
    return msgspec.defstruct(table.capitalize(), fields, rename=names, forbid_unknown_fields=True, kw_only=True)


def key(action: Action) -> str:
    """``--data-dir`` is data_dir in a file; what has no option, its own name."""
    return (action.option_strings[0] if action.option_strings else action.dest).lstrip("-").replace("-", "_")


def _kind(action: Action) -> Any:
    if action.choices:
        return Literal[tuple(action.choices)]
    if action.nargs == 0:
        return bool
    return getattr(action.type, "kind", str)


def _meta(action: Action) -> msgspec.Meta:
    help_text = (action.help or "").replace("%%", "%")
    return msgspec.Meta(description=help_text, **getattr(action.type, "bounds", {}))


def stated(config: Config, tables: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """(argument's name, value) of all that a config says in these tables; what is no option is one sentence."""
    for table in tables:
        where = f"[{table}] of {config.where}"
        values = convert(getattr(config, table), record(table), where, "see 'hwqat config --schema'")
        for name, value in msgspec.structs.asdict(values).items():
            if value is not msgspec.UNSET:
                yield name, value


def take(parser: ArgumentParser, tables: tuple[str, ...], argv: list[str]) -> list[str]:
    """Let a parser take from the files behind --config what is not typed. Returns what stands for its positional argument."""
    look = ArgumentParser(add_help=False, exit_on_error=False)
    look.add_argument("--config", action="append", default=[])
    try:
        paths = look.parse_known_args(argv)[0].config
    except ArgumentError:  # no file behind it, which the command's own parser says
        return []
    config = read_config(paths)
    values = dict(stated(config, tables))
    if "export" in tables and "out" in config.run:
        values.setdefault("source", config.run["out"])
    positional = []
    for action in parser._actions:
        if action.dest in values and action.option_strings:
            action.default, action.required = values[action.dest], False
        elif action.dest in values:
            positional.append(values[action.dest])
    return positional
