"""Files as typed records: msgspec holds every field to its type before anything is done with it.

A file may come from a stranger, be cut short, or belong to another version. What is read here is a record of the type
that was asked for, or one sentence that names the file, the field, and what to do.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from .errors import HwqatError

T = TypeVar("T")

#: Bytes of a text file at most: fifty times the plan of a large network.
MOST = 1 << 26
#: Where a file of results has its own sum.
SUM = "sum"


def read_bytes(path: str | Path, advice: str, most: int = MOST) -> bytes:
    """A whole file of at most ``most`` bytes; ``advice``: what to do where it is missing or cannot be read."""
    path = Path(path)
    try:
        with open(path, "rb", opener=_no_wait) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise HwqatError(f"{path} is no file; {advice}")
            if about.st_size > most:
                raise HwqatError(f"{path} has {about.st_size} bytes, more than the {most} that hwqat reads; {advice}")
            content = file.read(min(about.st_size, most) + 1)  # which takes memory for so many at once
    except FileNotFoundError:
        raise HwqatError(f"{path} does not exist; {advice}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise HwqatError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}); {advice}") from None
    if len(content) != about.st_size:
        raise HwqatError(f"{path} changed while it was read; {advice}")
    return content


def _no_wait(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe without a writer is no reason to wait


def read_json(path: str | Path, kind: type[T], advice: str, most: int = MOST) -> T:
    """A JSON file as a ``kind``: a msgspec Struct, a dataclass, a TypedDict, or a type such as ``dict[str, int]``."""
    return decode_json(read_bytes(path, advice, most), kind, str(path), advice)


def decode_json(content: bytes | str, kind: type[T], where: str, advice: str) -> T:
    """The same of a text; ``where``: what it is called in the sentence."""
    try:
        return msgspec.json.decode(content, type=kind)
    except FAULTS as error:
        raise damaged(where, error, advice) from None


def read_toml(path: str | Path, kind: type[T], advice: str) -> T:
    """A TOML file as a ``kind``."""
    content = read_bytes(path, advice)
    try:
        return msgspec.toml.decode(content, type=kind)
    except FAULTS as error:
        raise damaged(str(path), error, advice) from None


def convert(values: Any, kind: type[T], where: str, advice: str) -> T:
    """Plain values, as JSON gives them, as a ``kind``."""
    try:
        return msgspec.convert(values, kind)
    except FAULTS as error:
        raise damaged(where, error, advice) from None


def encode_json(values: Any) -> bytes:
    """The JSON text of plain values or records: indented by one, one line end; the same values give the same bytes.

    NaN and infinities are no JSON: they raise ValueError.
    """
    return (json.dumps(msgspec.to_builtins(values, str_keys=True), indent=1, allow_nan=False) + "\n").encode()


def summed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values with a sum of their own, under "sum": what was found out once and is trusted later."""
    plain = msgspec.to_builtins(values, str_keys=True)
    return {**plain, SUM: _sum_of(plain)}


def require_sum(values: Any, where: str, advice: str) -> dict[str, Any]:
    """Values that `summed` gave, without their sum; HwqatError where they are others by now."""
    if not isinstance(values, dict) or values.get(SUM) != _sum_of(values):
        raise HwqatError(f"{where} is not what was written there: its sum is another; {advice}")
    return {key: value for key, value in values.items() if key != SUM}


def _sum_of(values: Mapping[str, Any]) -> str:
    plain = json.dumps({key: value for key, value in values.items() if key != SUM}, sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


#: What a decoder raises: bytes that are no text or no JSON, values of another type, too deep a nesting.
FAULTS = (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError, OverflowError)


def damaged(where: str, error: BaseException, advice: str) -> HwqatError:
    """The sentence: the file, the field, what was expected and what was found, and what to do."""
    if isinstance(error, RecursionError):
        return HwqatError(f"{where} is nested deeper than any file of hwqat; {advice}")
    words = " ".join(str(error).split())[:300]
    if not isinstance(error, msgspec.ValidationError):
        return HwqatError(f"{where} is damaged ({words}); {advice}")
    said, key, field = re.fullmatch(r"(.*?)(?: - at `(key in )?\$\.?(.*)`)?", words).groups()
    place = " ".join(word for word in ("a key in" if key else "", field) if word)
    return HwqatError(f"{where}{f', {place}' if place else ''}: {said[:1].lower()}{said[1:]}; {advice}")
