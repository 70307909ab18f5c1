"""The operators, by name. Adding one: a file here, and one in each engine (docs/extending.md)."""

from ..windows import Geometry
from .base import MAX_ACCUMULATOR_BITS, OPS, Face, Folding, Op, register
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

__all__ = [
    "ENDS",
    "MAX_ACCUMULATOR_BITS",
    "OPS",
    "REQUANT",
    "Concat",
    "Conv2d",
    "Face",
    "Flatten",
    "Folding",
    "Geometry",
    "Input",
    "Linear",
    "MaxPool",
    "Op",
    "Output",
    "Requant",
    "SumPool",
    "register",
]
