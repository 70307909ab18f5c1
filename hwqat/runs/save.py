"""Writing a RUN folder when training has ended: what is written is rebuilt once, and must be the same network."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hwqat.arrays import narrow, npz
from hwqat.data import Dataset, Split
from hwqat.errors import HwqatError
from hwqat.folders import write_whole
from hwqat.graph_io import graph_digest
from hwqat.lower import lower
from hwqat.nn.model import QatModel
from hwqat.prepare import read_checked
from hwqat.tracing.calls import Reading
from hwqat.tracing.network import float_network
from hwqat.tracing.stored import from_values, to_values
from hwqat.vectors import frames_to_write

from .card import MODEL, NETWORK, PROBE, SAMPLE, Run, save_card, sealed
from .contents import OTHERS, Contents, Probe, as_read, load_contents, parse
from .rebuild import differences, golden, real, rebuild, rebuild_float
from .tensors import tensors_from_bytes, tensors_to_bytes

#: Frames of a probe: half of them are images, half of them noise over the whole grid.
PROBES, SEED = 16, 0


def save_run(folder: str | Path, run: Run, model: nn.Module, dataset: Dataset) -> Run:
    """Write a RUN folder, each file whole or not at all, the card last. Returns the card as it was written.

    model: what was trained, quantised or float, in eval(). run: what `filled` does not know.
    """
    folder, run = Path(folder), filled(run, model, dataset)
    content: dict[str, bytes] = {SAMPLE: _sample(dataset)}
    if isinstance(model, QatModel):
        made, digest = _quantised(model, dataset)
        content, run = content | made, dataclasses.replace(run, graph=digest)
    else:
        try:
            content |= _float(model, dataset)
        except HwqatError as error:
            run = dataclasses.replace(run, unread=str(error))
            content[MODEL] = tensors_to_bytes(model.state_dict())
    proof = rebuild if isinstance(model, QatModel) else rebuild_float
    return _write(folder, run, content, proof if run.unread is None else lambda contents: contents)


def _write(folder: Path, run: Run, content: Mapping[str, bytes], proof: Callable[[Contents], object]) -> Run:
    """Write the files, if what they hold stands the proof; the card last, sealed. Returns it."""
    sums = {name: hashlib.sha256(content[name]).hexdigest() for name in sorted(content)}
    run = sealed(dataclasses.replace(run, files=sums))
    proof(parse(folder, run, content))
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in content.items():
        write_whole(folder / name, lambda path, found=found: path.write_bytes(found))
    save_card(folder, run)
    return run


def keep_codes_alone(folder: str | Path) -> None:
    """Leave out the real weights of a RUN: they become integers times steps, a quarter of the size or less.

    What was trained stays the same to the bit; training on begins with weights on the grid.
    """
    folder = Path(folder)
    contents = load_contents(folder)
    every = tensors_from_bytes((folder / MODEL).read_bytes(), folder / MODEL)
    coded = {
        call.tensors["weight"].name
        for call in contents.reading.calls
        if f"weights/{call.path}.integers" in every and "weight" in call.tensors
    }
    if contents.run.scheme["bn"] == "folded":
        raise HwqatError(f"{folder}: integers of folded weights are not those of the layer's own")
    content = {name: (folder / name).read_bytes() for name in contents.run.files}
    content[MODEL] = tensors_to_bytes({name: tensor for name, tensor in every.items() if name not in coded})
    network, probe = float_network(parse(folder, contents.run, content).reading), contents.probe
    reals = real(network, contents.run.grid, probe.frames)
    content[PROBE] = npz(Probe(probe.frames, probe.golden, reals).arrays())
    _write(folder, contents.run, content, rebuild)


def filled(run: Run, model: nn.Module | None, dataset: Dataset) -> Run:
    """The card with what model and data set say: scheme, classes, grid, and versions."""
    import hwqat

    return dataclasses.replace(
        run,
        data=dataset.name,
        classes=tuple(dataset.classes),
        grid=dataset.grid,
        scheme=model.scheme.to_dict() if isinstance(model, QatModel) else None,
        hwqat=hwqat.__version__,
        torch=str(torch.__version__),
        unread=None,
        files={},
    )


def digest_of(model: nn.Module, dataset: Dataset) -> str:
    """Names the network as it is read, whatever its weights; "" of a float one that cannot be read. What is stored in
    the end is held to the network's own forward then."""
    try:
        reading = read_as_it_is(model, dataset, held=False)
    except HwqatError:
        return ""
    content, others = to_json(reading)
    constants = {name: tensor for name, tensor in others.items() if name not in reading.state}
    return hashlib.sha256(content + tensors_to_bytes(constants)).hexdigest()


def read_as_it_is(model: nn.Module, dataset: Dataset, held: bool = True) -> Reading:
    """The network as it was read, or is read now; HwqatError says why it cannot be."""
    if not isinstance(model, QatModel):
        return read_checked(model, dataset.to_real(dataset.train.images[:32]), dataset.grid, held)
    if model.reading is None:
        raise HwqatError("only a network that hwqat.prepare made can be stored: this one has no record of its calls")
    return model.reading


def to_json(reading: Reading) -> tuple[bytes, dict[str, Tensor]]:
    """network.json, one line for each call, and the tensors that it names. Where the source is that it was read from,
    another machine need not know."""
    values, tensors = to_values(reading)
    calls = [
        {key: call[key] for key in call if key != "source" and call[key] not in ("", False, [], {})}
        for call in values["calls"]
    ]
    lines = ",\n ".join(json.dumps({"inputs": [], **call}, allow_nan=False) for call in calls)
    head = json.dumps(values | {"calls": []}, allow_nan=False)
    return head.replace('"calls": []', f'"calls": [\n {lines}\n]', 1).encode() + b"\n", tensors


def _quantised(model: QatModel, dataset: Dataset) -> tuple[dict[str, bytes], str]:
    """network.json, model.safetensors and probe.npz of a quantised network, and the digest of its graph."""
    frames, outs, integers, digest = probe_frames(dataset), (), {}, ""
    with contextlib.suppress(HwqatError):  # of 32 bits, or such as no hardware is built for: trained to be compared
        graph = lower(model)
        digest, outs = graph_digest(graph), golden(graph, frames)
    if outs:
        integers = model.store()
        images = torch.from_numpy(frames.transpose(0, 3, 1, 2).copy())
        if wrong := differences(outs, [out.cpu().numpy() for out in model.integers(images)]):
            raise HwqatError(
                f"eval() and the lowered graph differ in {wrong} integers on the probe; report this as a bug"
            )
    return _content(model, read_as_it_is(model, dataset), dataset, frames, outs, integers), digest


def _float(model: nn.Module, dataset: Dataset) -> dict[str, bytes]:
    """The same of a float network; HwqatError if it cannot be read."""
    return _content(model, read_as_it_is(model, dataset), dataset, probe_frames(dataset), (), {})


def _content(model, reading: Reading, dataset: Dataset, frames, outs, integers) -> dict[str, bytes]:
    network, named = to_json(reading)
    state = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    others = {OTHERS + name: tensor for name, tensor in named.items() if name not in state}
    tensors = {**state, **others, **{name: torch.from_numpy(array.copy()) for name, array in integers.items()}}
    content = {NETWORK: network, MODEL: tensors_to_bytes(tensors)}
    again = from_values(json.loads(network), as_read(named | state), reading.name, "report this as a bug")
    probe = Probe(frames, outs, real(float_network(again), dataset.grid, frames))
    return content | {PROBE: npz(probe.arrays())}


def probe_frames(dataset: Dataset) -> np.ndarray:
    """PROBES frames (N, H, W, C): the first test images, and noise that takes every integer of the grid."""
    images = _frames(_labelled(dataset), PROBES // 2)
    grid, shape = dataset.grid, (PROBES - len(images), *images.shape[1:])
    noise = np.random.RandomState(SEED).randint(grid.lo, grid.hi + 1, shape)  # its stream is frozen for ever
    return np.concatenate([images, noise])


def _sample(dataset: Dataset) -> bytes:
    split = _labelled(dataset)
    count = frames_to_write(len(split), split.images[0].numel())
    return npz({"frames": narrow(_frames(split, count)), "labels": narrow(split.labels[:count].numpy())})


def _labelled(dataset: Dataset) -> Split:
    """The test images, or those of the first split that has any."""
    return next(split for split in (dataset.test, dataset.valid, dataset.train) if len(split))


def _frames(split: Split, count: int) -> np.ndarray:
    return split.images[:count].permute(0, 2, 3, 1).to(torch.int64).numpy()
