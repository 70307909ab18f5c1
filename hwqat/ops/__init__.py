"""The operators, by name. Adding one: a file here, and one in each engine (docs/extending.md)."""

from ..windows import Geometry
from .base import MAX_ACCUMULATOR_BITS, OPS, Face, Folding, Op, register
from .concat import Concat
from .conv2d import Conv2d
from .crop import Crop
from .depth_to_space import DepthToSpace
from .flatten import Flatten
from .input import Input
from .linear import Linear
from .max_pool import MaxPool
from .multiply import Multiply
from .output import Output
from .pad import Pad
from .requant import Requant
from .select import Select
from .space_to_depth import SpaceToDepth
from .sum_pool import SumPool
from .table import Table
from .upsample import Upsample

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
    "Crop",
    "DepthToSpace",
    "Face",
    "Flatten",
    "Folding",
    "Geometry",
    "Input",
    "Linear",
    "MaxPool",
    "Multiply",
    "Op",
    "Output",
    "Pad",
    "Requant",
    "Select",
    "SpaceToDepth",
    "SumPool",
    "Table",
    "Upsample",
    "register",
]
