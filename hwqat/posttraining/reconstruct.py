"""One part of the network after the other is made to give what it gave in float, by the choice of its roundings.

- "adaround" (Nagel, Amjad, van Baalen, Louizos, Blankevoort, "Up or Down? Adaptive Rounding for Post-Training
  Quantization", ICML 2020): layer by layer, on what the layers before make once they are quantised.
- "brecq" (Li et al., "BRECQ: Pushing the Limit of Post-Training Quantization by Block Reconstruction", ICLR 2021): block
  by block; the steps of activations are learned too, and quantised values are dropped at random for real ones (Wei et
  al., "QDrop", ICLR 2022).
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hwqat import names
from hwqat.nn.model import QatModel
from hwqat.nn.steps import Requantise
from hwqat.nn.steps.product import Product
from hwqat.posttraining.rounding import Dropping, Drops, SoftRounding, falling
from hwqat.posttraining.units import Plain, Unit, Values, units, walk
from hwqat.progress import bar
from hwqat.quant import ActQuantiser

METHODS = names.METHODS[1:]
#: What quantisers of activations call a positive range or step that may be learned.
RANGES = ("step", "alpha")


@dataclass(frozen=True)
class Reconstruction:
    """How a part is fitted.

    Attributes:
        iterations: updates for each part, `batch` images each. Of the first `warmup` share, roundings are free; then the
            regulariser drives them to a decision, its power falling from `betas`[0] to `betas`[1].
        rate: Adam's rate of the roundings.
        step_rate: of the activations' steps, as a share of each (brecq).
        pull: factor of the regulariser, in units of the error that plain rounding has for each weight.
        drop: probability that a quantised value is dropped (brecq).
        seed: of everything random.
    """

    iterations: int = 2000
    batch: int = 32
    rate: float = 1e-2
    step_rate: float = 1e-3
    pull: float = 1.0
    warmup: float = 0.2
    betas: tuple[float, float] = (20.0, 2.0)
    drop: float = 0.5
    seed: int = 0


def reconstruct(
    model: QatModel, images: Tensor, method: str, config: Reconstruction = Reconstruction(), progress: bool = True
) -> None:
    """Fit the weights (and steps) of ``model`` in place; it is left in eval().

    images: real-valued (N, C, H, W), as the network takes them; labels are not needed. Layers of 1-bit weights or of 32
    bits, and weights or activation quantisers that several parts share, keep what they have.
    """
    model.eval()
    random = torch.Generator().manual_seed(config.seed)
    parts = units(model, by_block=method == "brecq")
    own = _Own(model)
    learning = [unit for unit in parts if own.products(unit)]
    with bar(len(learning) * config.iterations, "step", method, progress) as shown:
        for unit, real, now in walk(model, parts, images.contiguous(memory_format=torch.channels_last)):
            if unit in learning:
                drops = Drops(config.drop, random) if method == "brecq" else None
                _fit(unit, own, real, now, drops, config, random, shown)


class _Own:
    """What of a part may be learned, since no other part has it."""

    def __init__(self, model: QatModel) -> None:
        self.weights = Counter(id(step.layer.weight) for step in model.steps if isinstance(step, Product))
        self.acts = Counter(id(step.act) for step in model.steps if isinstance(step, Requantise))

    def products(self, unit: Unit) -> list[Product]:
        quantisers = [(product, product.layer.weight_quantiser) for product in unit.products]
        return [p for p, q in quantisers if q.quantised and q.bits > 1 and self.weights[id(p.layer.weight)] == 1]

    def steps(self, unit: Unit) -> list[Tensor]:
        acts = [step.act for step in unit.requantises if step.act.quantised and self.acts[id(step.act)] == 1]
        return [p for act in acts for name, p in act.named_parameters() if name in RANGES]


def _fit(
    unit: Unit, own: _Own, real: Values, now: Values, drops: Drops | None, config: Reconstruction, random, shown
) -> None:
    """real: inputs and outputs in float; now: inputs as quantised so far. drops: if given, activations are quantised now
    and then, and their steps are learned.
    """
    steps = own.steps(unit) if drops else []
    with _learning(unit, own.products(unit), drops) as soft:
        roundings = torch.optim.Adam([s.v for s in soft.values()], lr=config.rate)
        scales = _Relative(steps, config.step_rate)
        pull = config.pull * _error(unit, real, now) / sum(s.v.numel() for s in soft.values())
        count, iterations = len(real[unit.inputs[0]]), config.iterations
        for number in range(iterations):
            index = torch.randint(count, (config.batch,), generator=random)
            given = {name: now[name][index] for name in unit.inputs}
            if drops:
                given = {name: drops.choose(x, real[name][index]) for name, x in given.items()}
            loss = _distance(unit.run(given), {name: real[name][index] for name in unit.outputs})
            begin = config.warmup * iterations
            if number >= begin:
                beta = falling((number - begin) / max(1, iterations - begin), *config.betas)
                loss = loss + pull * sum(s.undecided(beta) for s in soft.values())
            roundings.zero_grad()
            scales.zero_grad()
            loss.backward()
            roundings.step()
            scales.step(falling(number / iterations, 1.0, 0.0))
            shown.update()
        rounded = {product: s.rounded() for product, s in soft.items()}
    for product, weight in rounded.items():
        product.layer.weight.data.copy_(weight)
    for p in steps:
        p.grad = None


class _Relative:
    """Adam on the logarithms of positive parameters: its rate is a share of each."""

    def __init__(self, parameters: list[Tensor], rate: float) -> None:
        self.parameters, self.rate = parameters, rate
        self.logs = [torch.zeros_like(p, requires_grad=True) for p in parameters]
        self.begin = [p.detach().clone() for p in parameters]
        self.adam = torch.optim.Adam(self.logs, lr=rate) if parameters else None

    def zero_grad(self) -> None:
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self, share: float) -> None:
        if self.adam is None:
            return
        self.adam.param_groups[0]["lr"] = self.rate * share
        for p, log in zip(self.parameters, self.logs):
            log.grad = torch.zeros_like(p) if p.grad is None else p.grad * p
        self.adam.step()
        for p, log, begin in zip(self.parameters, self.logs, self.begin):
            p.copy_(begin * log.exp())


@contextlib.contextmanager
def _learning(unit: Unit, products: list[Product], drops: Drops | None) -> Iterator[dict[Product, SoftRounding]]:
    """Within, ``products`` have soft roundings, and activations are dropped at random, or not quantised at all."""
    quantisers = [product.layer.weight_quantiser for product in products]
    acts = [step.act for step in unit.requantises]
    soft = {product: SoftRounding(q, product.layer.weight.detach()) for product, q in zip(products, quantisers)}
    for product, s in soft.items():
        product.layer.weight_quantiser = s
    for step in unit.requantises:
        step.act = Dropping(step.act, drops) if drops else Plain(step.act)
    modules = [m for step in unit.steps for m in step.modules.values() if not isinstance(m, ActQuantiser)]
    others = [p for m in modules for p in m.parameters(recurse=False) if p.requires_grad]
    for p in others:
        p.requires_grad_(False)
    try:
        yield soft
    finally:
        for p in others:
            p.requires_grad_(True)
        for product, quantiser in zip(products, quantisers):
            product.layer.weight_quantiser = quantiser
        for step, act in zip(unit.requantises, acts):
            step.act = act


def _distance(found: Values, wanted: Values) -> Tensor:
    """Squared error, summed over channels, mean over images and places, summed over outputs."""
    return sum((found[name] - wanted[name]).square().sum(1).mean() for name in wanted)


@torch.no_grad()
def _error(unit: Unit, real: Values, now: Values) -> float:
    """Of plain rounding, on the first images."""
    soft = [product.layer.weight_quantiser for product in unit.products]
    held = [s.v.detach().clone() if isinstance(s, SoftRounding) else None for s in soft]
    for s in soft:
        if isinstance(s, SoftRounding):
            s.v.copy_(torch.where(s.h() >= 0.5, 10.0, -10.0))
    first = {name: now[name][:64] for name in unit.inputs}
    error = float(_distance(unit.run(first), {name: real[name][:64] for name in unit.outputs}))
    for s, v in zip(soft, held):
        if v is not None:
            s.v.copy_(v)
    return error
