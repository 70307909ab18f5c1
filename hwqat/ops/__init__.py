"""The operators, by name. Adding one: a file here, and one template or kernel in each engine."""

from ..windows import Geometry
from .base import MAX_ACCUMULATOR_BITS, Face, Folding, Op
from .concat import Concat
from .conv2d import Conv2d
from .flatten import Flatten
from .input import Input
from .linear import Linear
from .max_pool import MaxPool
from .output import Output
from .requant import Requant
from .sum_pool import SumPool

#: Where a graph begins and ends, and the one operator that changes scale: what sweeps, reports and front ends look for
#: by name.
ENDS = (Input.op, Output.op)
REQUANT = Requant.op

OPS: dict[str, type[Op]] = {
    cls.op: cls for cls in (Input, Conv2d, Linear, Requant, SumPool, MaxPool, Concat, Flatten, Output)
}

__all__ = [
    "ENDS",
    "MAX_ACCUMULATOR_BITS",
    "OPS",
    "REQUANT",
    "Face",
    "Folding",
    "Geometry",
    "Op",
    *(cls.__name__ for cls in OPS.values()),
]
