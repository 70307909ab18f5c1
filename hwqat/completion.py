"""What a shell may offer where an argument is typed: names that are known, and files (`argcomplete`)."""

from __future__ import annotations

import os
from argparse import Action, ArgumentParser

from . import zoo
from .boards import BOARDS, PARTS
from .devices import DEVICES
from .names import DATASETS, DIALECTS, ENGINES, METHODS, NETWORKS

#: Names for an argument, by its option.
OPTIONS = {
    "--board": BOARDS,
    "--part": PARTS,
    "--target": DEVICES,
    "--data": DATASETS,
    "--engine": ENGINES,
    "--dialect": DIALECTS,
    "--method": METHODS,
}


def complete(make_parser) -> None:
    """Answer the shell, and end. What stands on the line so far says which command's arguments are wanted."""
    import argcomplete

    parser = make_parser(os.environ.get("COMP_LINE", "").split()[1:])
    _equip(parser)
    argcomplete.autocomplete(parser)


def _equip(parser: ArgumentParser) -> None:
    for action in parser._actions:
        if isinstance(action.choices, dict):  # the commands
            for sub in action.choices.values():
                _equip(sub)
        elif names := _names(action):
            action.completer = _completer(names, files=action.option_strings[:1] not in (["--board"], ["--engine"]))


def _names(action: Action) -> list[str]:
    for option in action.option_strings:
        if option in OPTIONS:
            return list(OPTIONS[option])
    if "--config" in action.option_strings:
        return [f"{zoo.PREFIX}{path.stem}" for path in zoo.RECIPES.glob("*.toml")]
    words = str(action.metavar or "").split("|")
    trained = [f"{zoo.PREFIX}{name}" for name in zoo.names()] if "RUN" in words and action.dest != "out" else []
    return [*(NETWORKS if "NET" in words else ()), *trained]


def _completer(names: list[str], files: bool):
    def completer(prefix: str, **_) -> list[str]:
        from argcomplete.completers import FilesCompleter

        return [name for name in names if name.startswith(prefix)] + (FilesCompleter()(prefix) if files else [])

    return completer
