"""From what is asked for to the points of a RUN."""

from __future__ import annotations

from pathlib import Path

from .. import zoo
from ..errors import HwqatError
from ..quant import Scheme
from ..runs import load_card
from .points import Point, grid


def points_of(run: str | Path, each: str | None, power_of_two: bool, formats: dict[str, str | None]) -> list[Point]:
    """The points for a RUN, by formats as the command line writes them; each: "layer" or "block"."""
    card = load_card(zoo.find(run))
    if card.scheme is None:
        raise HwqatError(f"{run} holds a float network; train it with a scheme first ('hwqat train' without --float)")
    return grid(Scheme.from_dict(card.scheme), layers=_parts(run, each), power_of_two=power_of_two, **formats)


def _parts(run: str | Path, each: str | None) -> list[str]:
    """Globs of the layers or blocks with weights, in order."""
    if each is None:
        return []
    if each not in ("layer", "block"):
        raise HwqatError(f"each must be 'layer' or 'block', not {each!r}")
    from ..nn.steps.product import Product
    from ..opening import open_run

    layers = [step for step in open_run(run).model.steps if isinstance(step, Product)]
    globs = [step.path if each == "layer" or step.block in ("", step.path) else f"{step.block}.*" for step in layers]
    return list(dict.fromkeys(globs))
