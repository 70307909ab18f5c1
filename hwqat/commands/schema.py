"""The JSON schema of a config file, made of the records that it is held to: for editors, and for reading."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Annotated, Any, Literal, get_type_hints

import msgspec

from ..config import SECTIONS
from ..fixed import Rounding
from ..quant import ACT_QUANTISERS, WEIGHT_QUANTISERS, Scheme
from ..quant.calibrate import CALIBRATIONS
from ..quant.scheme import BATCH_NORMS, BRANCHES
from ..train.config import OPTIMIZERS, PRECISIONS, TrainConfig
from .options import OPTIONS, record

#: What a field may be, where its type says less.
KINDS: dict[str, Any] = {
    "optimizer": Literal[OPTIMIZERS],
    "precision": Literal[PRECISIONS],
    "weights": Literal[tuple(WEIGHT_QUANTISERS)],
    "activations": Literal[tuple(ACT_QUANTISERS)],
    "calibration": Literal[tuple(CALIBRATIONS)],
    "rounding": Literal[tuple(str(mode) for mode in Rounding)],
    "branch": Literal[BRANCHES],
    "bn": Literal[BATCH_NORMS],
    "rescale": int | str,
}


def of_files() -> dict[str, Any]:
    """The schema, as plain values."""
    training = _record("Training", TrainConfig)
    tables = {
        "scheme": _record("Scheme", Scheme),
        "float": training,
        "train": training,
        **{name: record(name) for name in OPTIONS},
    }
    fields = [(name, tables[name] | msgspec.UnsetType, msgspec.UNSET) for name in SECTIONS]
    whole = msgspec.defstruct("Config", fields, forbid_unknown_fields=True, kw_only=True)
    found = msgspec.json.schema(whole)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A config file of hwqat",
        "description": "Tables of a TOML file for --config; each states only what differs from the defaults.",
        **found["$defs"].pop("Config"),
        "$defs": found["$defs"],
    } | {"title": "A config file of hwqat"}


def _record(name: str, kind: type) -> type[msgspec.Struct]:
    """A dataclass as a record, with what its docstring says of each field."""
    hints, words = get_type_hints(kind), _attributes(kind)
    fields = []
    for field in dataclasses.fields(kind):
        default = field.default if field.default is not dataclasses.MISSING else msgspec.field(default_factory=dict)
        meta = msgspec.Meta(description=words[field.name])
        fields.append((field.name, Annotated[KINDS.get(field.name, hints[field.name]), meta], default))
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, kw_only=True)


def _attributes(kind: type) -> dict[str, str]:
    """The words of a docstring's "Attributes:", by name."""
    text = inspect.getdoc(kind).partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", text, re.M)
    return {name: " ".join(words.split()) for name, words in found}
