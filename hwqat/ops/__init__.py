"""The operators, by name. Adding one: a file here, and one template or kernel in each engine."""

from ..windows import Geometry
from .base import MAX_ACCUMULATOR_BITS, Folding, Op
from .concat import Concat
from .conv2d import Conv2d
from .flatten import Flatten
from .input import Input
from .linear import Linear
from .max_pool import MaxPool
from .output import Output
from .requant import Requant
from .sum_pool import SumPool

OPS: dict[str, type[Op]] = {
    cls.op: cls for cls in (Input, Conv2d, Linear, Requant, SumPool, MaxPool, Concat, Flatten, Output)
}

__all__ = ["MAX_ACCUMULATOR_BITS", "OPS", "Folding", "Geometry", "Op", *(cls.__name__ for cls in OPS.values())]
