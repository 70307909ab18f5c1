"""Reading a RUN folder: every file held to its sum in the card, then to its form."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hwqat.arrays import narrow, npz_from_bytes
from hwqat.decode import convert, decode_json, read_bytes
from hwqat.errors import HwqatError
from hwqat.tracing.calls import Reading
from hwqat.tracing.stored import Stored, calls_from_values, from_values
from hwqat.tracing.table import kind_of

from .card import AGAIN, MODEL, NETWORK, PROBE, SAMPLE, Run, load_card
from .tensors import MOST, tensors_from_bytes

#: Bytes that frames unpack to at most.
MOST_FRAMES = 1 << 28
#: What the names of stored integers begin with, and those of tensors of the network that no state_dict has; the others
#: are the state_dict.
INTEGERS, OTHERS = ("weights/", "constants/"), "network/"


@dataclass(frozen=True, eq=False)
class Probe:
    """Frames, and what the network gives on them.

    Attributes:
        frames: integers (N, H, W, C).
        golden: its integers (N, H, W, C), of each output; () where it cannot be lowered.
        real: what the float network with its weights gives, of each output as PyTorch has it, float32.
    """

    frames: np.ndarray
    golden: tuple[np.ndarray, ...]
    real: tuple[np.ndarray, ...]

    def arrays(self) -> dict[str, np.ndarray]:
        named = {f"golden_{i}": narrow(out) for i, out in enumerate(self.golden)}
        return {"frames": narrow(self.frames), **named, **{f"float_{i}": out for i, out in enumerate(self.real)}}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Probe:
        """KeyError where something is missing."""
        outs = {word: sum(name.startswith(word) for name in arrays) for word in ("golden_", "float_")}
        golden, real = (tuple(arrays[f"{word}{i}"] for i in range(count)) for word, count in outs.items())
        return cls(arrays["frames"].astype(np.int64), golden, real)


@dataclass(frozen=True, eq=False)
class Sample:
    """frames: integers (N, H, W, C) of the data set's test images, the first ones; labels: int64 (N,)."""

    frames: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Contents:
    """All of a RUN that a network is rebuilt from.

    reading: the network as it was read, with the trained tensors; None for a float one that hwqat cannot read.
    state: the state_dict of what was trained.
    integers: as `hwqat.nn.QatModel.keep` takes them; empty where the network cannot be lowered. coded: paths of layers
        whose real weights are not stored, and are worked out from the integers.
    """

    folder: Path
    run: Run
    reading: Reading | None
    state: dict[str, Tensor]
    integers: dict[str, np.ndarray]
    coded: frozenset[str]
    probe: Probe | None
    sample: Sample


def load_contents(folder: str | Path) -> Contents:
    """All of a RUN folder whose training has ended; what is missing, damaged or altered is one sentence."""
    folder = Path(folder)
    run = load_card(folder)
    if not run.done:
        raise HwqatError(f"{folder} is not trained to its end; the command that began it goes on: {run.command}")
    content = {name: read_bytes(folder / name, AGAIN, MOST) for name in names(run)}
    for name, found in content.items():
        if hashlib.sha256(found).hexdigest() != run.files.get(name):
            raise HwqatError(f"{folder / name} is not the file that was written: its sum is another; {AGAIN}")
    return parse(folder, run, content)


def names(run: Run) -> tuple[str, ...]:
    """The files that a RUN has beside its card."""
    return (MODEL, SAMPLE) if run.unread is not None else (NETWORK, MODEL, PROBE, SAMPLE)


def parse(folder: Path, run: Run, content: Mapping[str, bytes]) -> Contents:
    """From the bytes of the files."""
    every = tensors_from_bytes(content[MODEL], folder / MODEL)
    integers = {name: tensor.numpy() for name, tensor in every.items() if name.startswith(INTEGERS)}
    others = {name.removeprefix(OTHERS): tensor for name, tensor in every.items() if name.startswith(OTHERS)}
    state = {name: tensor for name, tensor in every.items() if name not in integers and not name.startswith(OTHERS)}
    reading, probe, weights = None, None, {}
    if run.unread is None:
        where = str(folder / NETWORK)
        values = decode_json(content[NETWORK], dict, where, AGAIN)
        weights = _weights_of_integers(values, state, integers, where)
        state |= dict(weights.values())
        reading = from_values(values, as_read(others | state), where, AGAIN)
        arrays = npz_from_bytes(content[PROBE], folder / PROBE, AGAIN, MOST_FRAMES)
        try:
            probe = Probe.of(arrays)
        except KeyError as error:
            raise HwqatError(f"{folder / PROBE} has no array {error}; {AGAIN}") from None
        _require_frames(folder / PROBE, probe.frames, run, reading)
    arrays = npz_from_bytes(content[SAMPLE], folder / SAMPLE, AGAIN, MOST_FRAMES)
    try:
        sample = Sample(arrays["frames"].astype(np.int64), arrays["labels"].astype(np.int64))
    except KeyError as error:
        raise HwqatError(f"{folder / SAMPLE} has no array {error}; {AGAIN}") from None
    if sample.labels.shape != sample.frames.shape[:1]:
        raise HwqatError(f"{folder / SAMPLE} has {len(sample.frames)} frames and labels {sample.labels.shape}; {AGAIN}")
    _require_frames(folder / SAMPLE, sample.frames, run, reading)
    return Contents(folder, run, reading, state, integers, frozenset(weights), probe, sample)


def as_read(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors in the type in which a network is read: float32."""
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}


def _require_frames(path: Path, frames: np.ndarray, run: Run, reading: Reading | None) -> None:
    """Frames are of the shape and in the range that the network takes."""
    channels, *size = reading.calls[0].shape if reading is not None else frames.shape[3:] + frames.shape[1:3]
    if frames.ndim != 4 or not len(frames) or frames.shape[1:] != (*size, channels):
        raise HwqatError(
            f"{path}: its frames must be (N, {size[0]}, {size[1]}, {channels}), not {frames.shape}; {AGAIN}"
        )
    if run.grid is None or frames.min() < run.grid.lo or frames.max() > run.grid.hi:
        raise HwqatError(
            f"{path}: its frames are {frames.min()}..{frames.max()}, outside of the grid {run.grid}; {AGAIN}"
        )


def _weights_of_integers(values: dict, state: dict[str, Tensor], integers: dict[str, np.ndarray], where: str) -> dict:
    """path -> (name, real weights) of layers whose weights are not stored, of the integers that are."""
    found = {}
    for call in calls_from_values(convert(values, Stored, where, AGAIN).calls, where, AGAIN):
        weight = call.tensors.get("weight")
        if not kind_of(call).multiplies or weight is None or weight.name is None or weight.name in state:
            continue
        q, step = (integers.get(f"weights/{call.path}.{what}") for what in ("integers", "step"))
        if q is not None and step is not None and step.shape == q.shape[:1]:
            each = torch.from_numpy(step.astype(np.float64)).reshape(-1, *[1] * (q.ndim - 1))
            found[call.path] = weight.name, (torch.from_numpy(q.astype(np.float64)) * each).to(torch.float32)
    return found
