"""Random valid graphs: every operator, every odd shape, small enough to simulate.

One generator serves both users. `random_case(seed)` gives the same case for the same seed, which the
batch engines want; `cases()` is a Hypothesis strategy over the same code, which shrinks. In each draw
the simplest choice comes first, since Hypothesis shrinks towards it.

What may be drawn registers by a name (`maker.drawn`), a file for each family of operators: once registered, an
operator is in every engine's random graphs.
"""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from . import compound, moving, pooling, products, requant, shaping
from .cases import Case, case_of
from .maker import DRAWS, FRAMES, Maker, drawn

__all__ = [
    "DRAWS",
    "FRAMES",
    "Case",
    "Maker",
    "cases",
    "compound",
    "drawn",
    "moving",
    "pooling",
    "products",
    "random_case",
    "requant",
    "shaping",
]


def random_case(seed: int, compounds: bool = False) -> Case:
    """The case of a seed. compounds: it begins with a transposed convolution or bilinear upsampling."""
    return case_of(Maker(Random(seed), f"case{seed}"), compound.compound if compounds else None)


@st.composite
def cases(draw) -> Case:
    """Hypothesis strategy; every draw goes through Hypothesis, so failures shrink."""
    return case_of(Maker(draw(st.randoms(use_true_random=False)), "case"))
