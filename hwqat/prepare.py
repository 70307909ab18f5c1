"""From a plain float network to one that trains with the hardware's arithmetic."""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from hwqat.data.dataset import IMAGE_GRID, PIXELS, Grid, require_images
from hwqat.errors import HwqatError
from hwqat.nn.model import QatModel
from hwqat.nn.steps.product import Product
from hwqat.placement.place import place
from hwqat.quant import ActQuantiser, Scheme
from hwqat.quant.calibrate import CALIBRATIONS, Histogram
from hwqat.tracing import Call, Reading, require_none
from hwqat.tracing.check import hold_to_the_reading, hold_to_the_users, outputs, require_finite
from hwqat.tracing.constants import Constant
from hwqat.tracing.network import ReadNetwork, float_network
from hwqat.tracing.reader import read_recording, two_images
from hwqat.tracing.record import as_is, record
from hwqat.tracing.table import find_kind


def prepare(
    model: nn.Module,
    scheme: Scheme,
    example: Tensor | Iterable[Tensor],
    grid: Grid = IMAGE_GRID,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> QatModel:
    """The quantised network of ``model``, which is left as it is.

    Parameters keep their names in the state_dict, so a float checkpoint of ``model`` matches.

    Args:
        example: a batch of real images (N, C, H, W), or several: the ranges of activations start from what the float
            network shows on them.
        grid: the integers of an image and what they mean (that of the data set).
        mean: if the float network was trained on ``(image - mean) / std``, per channel; it becomes a requantise of
            the input.
        std: see ``mean``.

    Raises:
        HwqatError: names every operation that is not supported, all at once, with its module, its line and the nearest
            supported form; or what computes something else than what was read (`hwqat.tracing.check`).
    """
    batches = [example] if isinstance(example, Tensor) else list(example)
    if not batches or not all(
        isinstance(batch, Tensor) and batch.ndim in (2, 3, 4) and len(batch) for batch in batches
    ):
        raise HwqatError(
            "prepare needs an example: a batch of real images (N, C, H, W), or several such batches; signals may be (N, C, L), "
            "vectors (N, F)"
        )
    if len({batch.shape[1:] for batch in batches}) > 1:
        raise HwqatError(
            f"the batches of the example must have one size, not {sorted({tuple(b.shape[1:]) for b in batches})}"
        )
    if isinstance(model, QatModel):
        raise HwqatError("this network is quantised already; prepare takes the float network")
    if type(model).__name__ == "ExportedProgram":
        from hwqat.tracing.exported import ProgramNetwork

        model = ProgramNetwork(model)
    if not isinstance(model, nn.Module):
        raise HwqatError(f"prepare takes a network, a torch.nn.Module, not a {type(model).__name__}")
    network = unwrapped(model)
    for batch in batches:
        require_images(batch, grid, "the example")
    _warn_of_pixels(batches[0], grid)
    home = next((x for x in (*network.parameters(), *network.buffers()) if x.is_floating_point()), batches[0])
    batches = [batch.to(home.device, torch.float32) for batch in batches]
    normalise = _normalise(mean, std, batches[0].shape[1], home.device)
    given = lambda images: (images if normalise is None else normalise(images)).to(home.dtype)  # noqa: E731
    with as_is(network):
        reading = _read(network, given(two_images(batches[0])))
        if normalise is not None:
            reading = _normalised(reading, normalise)
        whole, reading = reading, _without_the_last_order(reading, scheme)
        steps = place(reading, scheme, grid)  # names all that is not supported
        wanted = _hold(network, whole, batches[0], grid, given)
        if reading is not whole:
            wanted = outputs(float_network(reading)(two_images(batches[0], len(batches[0]))))
    quantised = QatModel(steps, scheme, reading).to(home.device)
    seen = calibrate(quantised, batches, scheme.calibration)
    if not scheme.relu6_as_relu:  # which is another network on purpose
        hold_to_the_reading(reading, wanted, [*seen])
    quantised.train(model.training)
    return quantised


def read_checked(model: nn.Module, images: Tensor, grid: Grid, held: bool = True) -> Reading:
    """A float network as it was read, on a batch of real images; HwqatError as `prepare` raises it. ``held`` to the
    network's own forward, or not where only the form of its calls is asked for."""
    network = unwrapped(model)
    home = next((x for x in (*network.parameters(), *network.buffers()) if x.is_floating_point()), images)
    images, given = images.to(home.device, torch.float32), lambda x: x.to(home.dtype)
    with as_is(network):
        reading = _read(network, given(two_images(images)))
        require_none(reading.name, reading.problems)
        if held:
            _hold(network, reading, images, grid, given)
    return reading


def _read(network: nn.Module, images: Tensor) -> Reading:
    """What was read before is not read again: a `ReadNetwork` has no modules of the user's to ask for names."""
    if isinstance(network, ReadNetwork):
        reading = network.now()
    else:
        reading = read_recording(network, record(network, images)).reading()
    require_finite(reading)
    return reading


def _without_the_last_order(reading: Reading, scheme: Scheme) -> Reading:
    """Without softmax, log_softmax and sigmoid at the outputs, said in a warning: what reads logits finds the same order.
    One that is a table stays where the scheme's layers give it act_bits by its path."""
    calls, end = {call.name: call for call in reading.calls}, reading.calls[-1]
    read = Counter(name for call in reading.calls for name in call.inputs)
    left_out = {
        name: calls[name].inputs[0]
        for name in end.inputs
        if find_kind(calls[name].kind).leaves_order(calls[name])
        and read[name] == 1
        and "act_bits" not in scheme.layers.get(_table_path(calls[name]), {})
    }
    if not left_out:
        return reading
    named = ", ".join(dict.fromkeys(calls[name].what or calls[name].kind for name in left_out))
    tables = [path for name in left_out if (path := _table_path(calls[name]))]
    more = f", or keep its table by layers={{{tables[0]!r}: {{'act_bits': 8}}}} of the scheme" if tables else ""
    warnings.warn(
        f"{named} at the output of {reading.name} is left out: logits have the same order; apply it behind the network"
        f"{more}",
        stacklevel=3,
    )
    end = replace(end, inputs=tuple(left_out.get(name, name) for name in end.inputs))
    kept = [call for call in reading.calls[:-1] if call.name not in left_out]
    return replace(reading, calls=(*kept, end))


def _table_path(call: Call) -> str:
    """What a scheme calls the table of a call; empty where it is none."""
    return call.label(call.params.function) if find_kind(call.kind).tabulates else ""


def _hold(network: nn.Module, reading: Reading, batch: Tensor, grid: Grid, given: Callable[[Tensor], Tensor]):
    """Hold it to the user's own forward, on a batch of the example and on noise; what it gives on the example."""
    several = two_images(batch, len(batch))
    return hold_to_the_users(network, reading, [several, noise(several, grid)], given)


def build(reading: Reading, scheme: Scheme, grid: Grid) -> QatModel:
    """The quantised network of what was read before, its quantisers not calibrated; its tensors are the reading's."""
    return QatModel(place(reading, scheme, grid), scheme, reading)


def unwrapped(model: nn.Module) -> nn.Module:
    """The network itself, inside `torch.compile`, `nn.DataParallel` and an average of models."""
    while True:
        if "_orig_mod" in model._modules:  # what torch.compile returns
            model = model._modules["_orig_mod"]
        elif isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            model = model.module
        elif "n_averaged" in model._buffers and "module" in model._modules:  # torch.optim.swa_utils.AveragedModel
            model = model._modules["module"]
        else:
            return model


def _warn_of_pixels(images: Tensor, grid: Grid) -> None:
    """Of images that lie on the grid of ToTensor, but not on theirs."""
    steps, pixels = images.double() / grid.scale, images.double() / PIXELS.scale
    off, beside = (float((x - x.round()).abs().max()) for x in (steps, pixels))
    if off > 0.05 and beside < 1e-3 and float(pixels.min()) >= 0:
        warnings.warn(
            f"the images are pixels divided by 255, up to {off:.2f} steps off the grid; hwqat.PIXELS is theirs",
            stacklevel=3,
        )


def noise(images: Tensor, grid: Grid, count: int = 3) -> Tensor:
    """Other images on the grid, in the range of these: as unlike them as can be."""
    low, high = (int(torch.round(end / grid.scale)) for end in images.double().aminmax())
    random = torch.Generator().manual_seed(0)
    q = torch.randint(low, high + 1, (count, *images.shape[1:]), generator=random)
    return (q * grid.scale).to(images)


@torch.no_grad()
def calibrate(model: QatModel, batches: Iterable[Tensor], method: str) -> tuple[Tensor, ...]:
    """Begin every quantiser from the float network's weights and from its activations on ``batches``.

    Returns the float outputs on the first batch.
    """
    for step in model.steps:
        if isinstance(step, Product):
            step.layer.begin()
    acts = {id(act): act for step in model.steps if (act := getattr(step, "act", None)) is not None}.values()
    seen = {act: Histogram() for act in acts}
    with unquantised(model, seen):
        first, *more = batches
        outs = model.run_float(first)
        for batch in more:
            model.run_float(batch)
    for act, histogram in seen.items():
        top = min(CALIBRATIONS[method](histogram, act.hi), act.cap)
        act.start(top, histogram.least, histogram.greatest)
    return outs


@contextlib.contextmanager
def unquantised(model: QatModel, seen: dict[ActQuantiser, Histogram]) -> Iterator[None]:
    """Within, nothing is quantised and every activation is shown to its histogram."""
    training = model.training
    weights = [step.layer.weight_quantiser for step in model.steps if isinstance(step, Product)]
    model.eval()
    for act, histogram in seen.items():
        act.observer = histogram
    for quantiser in weights:
        quantiser.bypass = True
    try:
        yield
    finally:
        for act in seen:
            act.observer = None
        for quantiser in weights:
            quantiser.bypass = False
        model.train(training)


class Normalise(nn.Module):
    """The fixed per-channel mean and standard deviation that a network's images were normalised with."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float64))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        mean, std = (t.to(x.dtype).reshape(-1, *[1] * (x.ndim - 2)) for t in (self.mean, self.std))
        return (x - mean) / std


def _normalise(mean, std, channels: int, device) -> Normalise | None:
    if mean is None and std is None:
        return None
    if mean is None or std is None or not len(mean) == len(std) == channels or min(std) <= 0:
        raise HwqatError(
            f"mean and std must be given together, for each of {channels} channels, std above 0, not {mean} and {std}"
        )
    return Normalise(mean, std).to(device)


def _normalised(reading: Reading, normalise: Normalise) -> Reading:
    """A network behind the normalisation of its images."""
    image, *rest = reading.calls
    named = {f"normalise.{name}": tensor for name, tensor in normalise.named_buffers()}
    about, over = (Constant.tensor(name) for name in named)
    kind = find_kind("scale")
    common = {"shape": image.shape, "own": True, "block": "normalise", "what": "normalisation"}
    centred = Call(
        "scale",
        "centred",
        (image.name,),
        path="normalise.centred",
        params=kind.Params(down=True),
        tensors={"shift": about},
        **common,
    )
    scaled = Call(
        "scale",
        "normalise",
        ("centred",),
        path="normalise",
        params=kind.Params(inverse=True),
        tensors={"gain": over},
        **common,
    )
    renamed = [replace(c, inputs=tuple(scaled.name if i == image.name else i for i in c.inputs)) for c in rest]
    return replace(
        reading,
        calls=(image, centred, scaled, *renamed),
        tensors=reading.tensors | named,
        state=reading.state | named.keys(),
    )
