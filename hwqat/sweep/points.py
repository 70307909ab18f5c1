"""The points of a sweep, and how they are written on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import product

from ..errors import HwqatError
from ..fixed import Rounding
from ..quant.constants import Rescale

AUTO = "auto"


@dataclass(frozen=True)
class Point:
    """What differs from the run's own scheme.

    Attributes:
        rescale: width of M and B; int_bits: their I, or "auto" for the smallest that holds each tensor's.
        rounding: Q, by its name in ap_fixed.
        weights, acts: bits of weights and activations, of all layers but the first and the last, which keep the run's.
        layer: a glob on the paths of the layers that weights and acts are for, the others keep the run's; None there
            means the layer's own.
    """

    rescale: int
    int_bits: int | str
    rounding: str
    weights: int | None
    acts: int | None
    layer: str | None = None

    @property
    def key(self) -> str:
        """Names the point in the journal."""
        where = "" if self.layer is None else f" {self.layer}"
        return f"{self.rescale},{self.int_bits} {self.rounding} w{self.weights} a{self.acts}{where}"

    @property
    def format(self) -> str:
        """M's and B's format as a scheme writes it."""
        return str(self.rescale) if self.int_bits == AUTO else f"{self.rescale},{self.int_bits}"

    def changes(self, scheme) -> dict:
        """The changes to a scheme that make this point."""
        changes = {"rescale": self.format, "rounding": self.rounding}
        if self.layer is None:
            return changes | {"weight_bits": self.weights, "act_bits": self.acts}
        others = {glob: bits for glob, bits in scheme.layers.items() if glob != self.layer}
        given = {key: bits for key, bits in (("weight_bits", self.weights), ("act_bits", self.acts)) if bits is not None}
        return changes | {"layers": {**others, self.layer: {**scheme.layers.get(self.layer, {}), **given}}}  # the last one wins

    def plain(self) -> dict:
        return asdict(self)


def grid(scheme, *, rescale: str | None = None, int_bits: str | None = None, rounding: str | None = None,
         weights: str | None = None, acts: str | None = None, layers: Iterable[str] = ()) -> list[Point]:  # fmt: skip
    """Every combination of what the options list; one that is not given stays the scheme's. No point is there twice.

    With ``layers`` (globs), weights and acts are given to one of them at a time; the run itself comes first.
    """
    own = Rescale.parse(scheme.rescale)
    widths = integers("--rescale", rescale, 2, 32) if rescale else [own.width]
    forms = _int_bits(int_bits) if int_bits else [AUTO if own.integer is None else own.integer]
    modes = _roundings(rounding) if rounding else [scheme.rounding]
    weight_bits = integers("--weights", weights, 1, 16) if weights else [None]
    act_bits = integers("--acts", acts, 1, 16) if acts else [None]
    every = product(widths, forms, modes)
    if not layers:
        bits = [(w or scheme.weight_bits, a or scheme.act_bits, None) for w, a in product(weight_bits, act_bits)]
    elif weights or acts:
        bits = [(scheme.weight_bits, scheme.act_bits, None), *((w, a, glob) for glob in layers for w, a in product(weight_bits, act_bits))]
    else:
        raise HwqatError("one layer or block at a time needs bits to give it: --weights, --acts or both")
    return list(dict.fromkeys(Point(*constants, *each) for constants, each in product(every, bits)))


def integers(option: str, text: str, lowest: int, highest: int) -> list[int]:
    """``8:32``, ``8:32:4`` (both ends included) and ``4,8,12:16``."""
    found: list[int] = []
    for part in text.split(","):
        try:
            first, last, step = [*map(int, part.split(":"))] + [None] * (3 - len(part.split(":")))
            found += [first] if last is None else range(first, last + 1, 1 if step is None else step)
        except ValueError:
            raise HwqatError(f"{option} takes bits such as 8:32, 8:32:4 or 8,12,16, not {text!r}") from None
    if not found or min(found) < lowest or max(found) > highest:
        raise HwqatError(f"{option} takes {lowest}..{highest} bits, not {text!r}")
    return sorted(dict.fromkeys(found))


def _int_bits(text: str) -> list[int | str]:
    try:
        return list(dict.fromkeys(AUTO if part == AUTO else int(part) for part in text.split(",")))
    except ValueError:
        raise HwqatError(f"--int-bits takes 'auto' and integers, such as auto,16,10,8,6, not {text!r}") from None


def _roundings(text: str) -> list[str]:
    known = [str(mode) for mode in Rounding]
    named = [part if part.startswith("AP_") else f"AP_{part}" for part in text.split(",")]
    for name in named:
        if name not in known:
            raise HwqatError(f"--rounding takes {', '.join(known)}, not {name!r}")
    return list(dict.fromkeys(named))
