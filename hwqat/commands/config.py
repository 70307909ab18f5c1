"""``hwqat config``: what config files come to, checked; ``--schema``: the JSON schema of one, for editors."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from ..config import SECTIONS, read_config
from ..errors import HwqatError
from .arguments import target_arguments, target_of
from .options import OPTIONS, stated


def arguments(parser) -> None:
    parser.add_argument("files", nargs="*", metavar="F.toml", help="config files; of several, the later wins; zoo:NAME")
    parser.add_argument("--schema", action="store_true", help="print the JSON schema that a config file follows")


def run(args):
    from ..quant import Scheme
    from ..train import TrainConfig
    from . import schema

    if args.schema:
        found = schema.of_files()
        print(json.dumps(found, indent=1))
        return found, 0
    if not args.files:
        raise HwqatError("name config files, or say --schema")
    config = read_config(args.files)
    said = {name: dict(stated(config, (name,))) for name in OPTIONS}
    parser = ArgumentParser(add_help=False)
    target_arguments(parser)
    target_of(parser.parse_args([], Namespace(**said["target"])))  # boards and aims by name, and what goes together
    Scheme.from_dict(config.scheme)
    for table in (config.float, config.train):
        TrainConfig().with_changes(**table)
    tables = {name: getattr(config, name) for name in SECTIONS if getattr(config, name)}
    print("\n\n".join(f"[{name}]\n{_lines(table)}" for name, table in tables.items()))
    return tables, 0


def _lines(table: dict) -> str:
    return "\n".join(f"{key} = {_toml(value)}" for key, value in table.items())


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
