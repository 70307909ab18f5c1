"""The points of a sweep, and how they are written on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import product

from ..errors import HwqatError
from ..fixed import Overflow, Rounding
from ..quant.constants import AUTO, POWER_OF_TWO, Rescale
from .accumulators import MODES, Accumulators


@dataclass(frozen=True)
class Point:
    """What differs from the run's own scheme.

    Attributes:
        rescale: width of M and B; int_bits: their I, or "auto" for the smallest that holds each tensor's.
        rounding: Q, by its name in ap_fixed.
        weights, acts: bits of weights and activations, of all layers but the first and the last, which keep the run's.
        layer: a glob on the paths of the layers that weights and acts are for, the others keep the run's; None there
            means the layer's own.
        const_rounding, overflow: how M and B themselves are rounded when they are made, and what becomes of those that
            do not fit. power_of_two: each M is one.
        acc_bits, acc_overflow: width of the accumulators of convolutions and linear layers, and what becomes of a sum
            that does not fit; None: wide enough for every sum.
    """

    rescale: int
    int_bits: int | str
    rounding: str
    weights: int | None
    acts: int | None
    layer: str | None = None
    const_rounding: str = str(Rescale.rounding)
    overflow: str = str(Rescale.overflow)
    power_of_two: bool = False
    acc_bits: int | None = None
    acc_overflow: str | None = None

    @property
    def key(self) -> str:
        """Names the point in the journal."""
        options = "".join(f" {word}" for word in self.options)
        where = "" if self.layer is None else f" {self.layer}"
        return f"{self.rescale},{self.int_bits} {self.rounding} w{self.weights} a{self.acts}{options}{where}"

    @property
    def options(self) -> list[str]:
        """What is unusual about it, a word each."""
        found = [] if self.const_rounding == Rescale.rounding else [f"constants:{self.const_rounding}"]
        found += [] if self.overflow == Rescale.overflow else [f"overflow:{self.overflow}"]
        found += [POWER_OF_TWO] * self.power_of_two
        return found + ([] if self.acc_bits is None else [f"acc{self.acc_bits}:{self.acc_overflow}"])

    @property
    def format(self) -> str:
        """M's and B's format as a scheme writes it."""
        integer = None if self.int_bits == AUTO else self.int_bits
        return str(
            Rescale(self.rescale, integer, Rounding(self.const_rounding), Overflow(self.overflow), self.power_of_two)
        )

    @property
    def accumulators(self) -> Accumulators | None:
        return None if self.acc_bits is None else Accumulators(self.acc_bits, Overflow(self.acc_overflow))

    @property
    def exact(self) -> Point:
        """The same with wide accumulators: both have one graph."""
        return replace(self, acc_bits=None, acc_overflow=None)

    def changes(self, scheme) -> dict:
        """The changes to a scheme that make this point."""
        changes = {"rescale": self.format, "rounding": self.rounding}
        if self.layer is None:
            return changes | {"weight_bits": self.weights, "act_bits": self.acts}
        others = {glob: bits for glob, bits in scheme.layers.items() if glob != self.layer}
        given = {
            key: bits for key, bits in (("weight_bits", self.weights), ("act_bits", self.acts)) if bits is not None
        }
        return changes | {
            "layers": {**others, self.layer: {**scheme.layers.get(self.layer, {}), **given}}
        }  # the last one wins

    def plain(self) -> dict:
        return asdict(self)


def grid(
    scheme,
    *,
    rescale: str | None = None,
    int_bits: str | None = None,
    rounding: str | None = None,
    weights: str | None = None,
    acts: str | None = None,
    layers: Iterable[str] = (),
    const_rounding: str | None = None,
    overflow: str | None = None,
    power_of_two: bool = False,
    acc_bits: str | None = None,
    acc_overflow: str | None = None,
) -> list[Point]:
    """Every combination of what the options list; one that is not given stays the scheme's. No point is there twice.

    With ``layers`` (globs), weights and acts are given to one of them at a time; the run itself comes first.
    power_of_two: also with each M a power of two. acc_bits: also with such accumulators, in each mode of acc_overflow.
    """
    own = Rescale.parse(scheme.rescale)
    widths = integers("--rescale", rescale, 2, 32) if rescale else [own.width]
    forms = _int_bits(int_bits) if int_bits else [AUTO if own.integer is None else own.integer]
    modes = _named("--rounding", rounding, Rounding) if rounding else [scheme.rounding]
    how = product(
        _named("--const-rounding", const_rounding, Rounding) if const_rounding else [str(own.rounding)],
        _named("--overflow", overflow, Overflow) if overflow else [str(own.overflow)],
        [False, True] if power_of_two else [own.power_of_two],
    )
    if acc_overflow and not acc_bits:
        raise HwqatError("--acc-overflow says what becomes of sums that --acc-bits has no room for; give both")
    sums = [(None, None)]
    if acc_bits:
        sums += product(
            integers("--acc-bits", acc_bits, 2, 48), _named("--acc-overflow", acc_overflow or ",".join(MODES), MODES)
        )
    weight_bits = integers("--weights", weights, 1, 16) if weights else [None]
    act_bits = integers("--acts", acts, 1, 16) if acts else [None]
    every = product(widths, forms, modes)
    if not layers:
        bits = [(w or scheme.weight_bits, a or scheme.act_bits, None) for w, a in product(weight_bits, act_bits)]
    elif weights or acts:
        bits = [
            (scheme.weight_bits, scheme.act_bits, None),
            *((w, a, glob) for glob in layers for w, a in product(weight_bits, act_bits)),
        ]
    else:
        raise HwqatError("one layer or block at a time needs bits to give it: --weights, --acts or both")
    return list(dict.fromkeys(Point(*a, *b, *c, *d) for a, b, c, d in product(every, bits, how, sums)))


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


def _named(option: str, text: str, kind: Iterable) -> list[str]:
    """Names of ap_fixed's modes, with or without their AP_."""
    known = [str(mode) for mode in kind]
    named = [part if part.startswith("AP_") else f"AP_{part}" for part in text.split(",")]
    for name in named:
        if name not in known:
            raise HwqatError(f"{option} takes {', '.join(known)}, not {name!r}")
    return list(dict.fromkeys(named))
