"""run.json: what was trained, with what, how far, and how well; and the sums of the folder's other files."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import Struct

from hwqat.data.dataset import Grid
from hwqat.decode import convert, decode_json, encode_json, read_bytes
from hwqat.errors import HwqatError
from hwqat.folders import write_whole

VERSION = 2
CARD, NETWORK, MODEL, PROBE, SAMPLE = "run.json", "network.json", "model.safetensors", "probe.npz", "sample.npz"
AGAIN = "restore the folder, or train again"


@dataclass(frozen=True)
class Run:
    """What run.json says.

    Attributes:
        net: what was typed for the network: a name of `hwqat.models`, or file.py:Net. It is told, never imported.
        net_kwargs: what it was built with.
        data: name of the data set; classes and grid: its own.
        config: the TrainConfig as a dict; seed: of everything random; epochs_done: so far.
        scheme: the quantisation scheme as plain JSON values, or None for a float network.
        accuracy: percent, by split ("valid", "test"), None for one without images; empty until training has ended.
        graph: digest of the graph that it is of (`hwqat.graph_io.graph_digest`); "" where there is none.
        command: as it was typed; hwqat, torch: versions that trained it.
        unread: of a float network that hwqat cannot read, why; then there is no network.json.
        begun: digest of the network that training began with (`hwqat.runs.save.digest_of`), while it is not done.
        files: SHA-256 of the folder's other files, by name.
        digest: of all of this; it names the trained network.
    """

    net: str
    data: str
    config: dict[str, Any]
    seed: int
    epochs_done: int
    net_kwargs: dict[str, Any] = field(default_factory=dict)
    scheme: dict[str, Any] | None = None
    accuracy: dict[str, float | None] = field(default_factory=dict)
    graph: str = ""
    classes: tuple[str, ...] = ()
    grid: Grid | None = None
    command: str = ""
    hwqat: str = ""
    torch: str = ""
    unread: str | None = None
    begun: str = ""
    files: dict[str, str] = field(default_factory=dict)
    digest: str = ""

    @property
    def done(self) -> bool:
        """Whether training has ended."""
        return bool(self.accuracy)


class Version(Struct):
    version: Any = None


def sealed(run: Run) -> Run:
    """With its digest."""
    return dataclasses.replace(run, digest=_digest(run))


def _digest(run: Run) -> str:
    return hashlib.sha256(encode_json(dataclasses.replace(run, digest=""))).hexdigest()


def save_card(folder: str | Path, run: Run) -> None:
    """Write run.json alone, sealed, whole or not at all."""
    content = encode_json({"version": VERSION, **dataclasses.asdict(sealed(run))})
    write_whole(Path(folder) / CARD, lambda path: path.write_bytes(content))


def load_card(folder: str | Path) -> Run:
    """run.json of a RUN folder; a missing, older, damaged or altered one raises HwqatError."""
    path = Path(folder) / CARD
    if not path.is_file():
        raise HwqatError(f"{folder} is not a RUN folder: it has no {CARD}; 'hwqat train --out {folder}' makes one")
    content = read_bytes(path, AGAIN)
    version = decode_json(content, Version, str(path), AGAIN).version
    if version == 1:
        raise HwqatError(
            f"{folder} was written by an older hwqat and does not hold its network; bring it over with "
            f"'hwqat migrate {folder} --net NET', NET being what was trained: a name, or file.py:Net"
        )
    if version != VERSION:
        raise HwqatError(f"{path} has version {version!r}, this hwqat reads version {VERSION}; {AGAIN}")
    values = decode_json(content, dict[str, Any], str(path), AGAIN)
    del values["version"]
    if strange := values.keys() - {f.name for f in dataclasses.fields(Run)}:
        raise HwqatError(f"{path} has an unknown key {min(strange)!r}; {AGAIN}")
    run = convert(values, Run, str(path), AGAIN)
    if run.digest != _digest(run):
        raise HwqatError(f"{path} was altered since it was written: its digest is another; {AGAIN}")
    return run
