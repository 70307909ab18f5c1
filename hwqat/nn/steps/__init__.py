"""The operations of a quantised network, each in its three forms: fake-quantised, exact, and as a graph node."""

from hwqat.nn.steps.across import ChannelSum
from hwqat.nn.steps.base import Step
from hwqat.nn.steps.counting import Ones, Shares
from hwqat.nn.steps.ends import Input, Output
from hwqat.nn.steps.interpolate import Interpolate
from hwqat.nn.steps.moving import Crop, DepthToSpace, Pad, Select, SpaceToDepth, Upsample
from hwqat.nn.steps.multiply import Multiply
from hwqat.nn.steps.pooling import MaxPool, SumPool
from hwqat.nn.steps.product import Conv2d, Linear, TransposedPart
from hwqat.nn.steps.requantise import Logits, Requantise
from hwqat.nn.steps.shaping import Concat, Flatten
from hwqat.nn.steps.table import Table

__all__ = [
    "ChannelSum",
    "Concat",
    "Conv2d",
    "Crop",
    "DepthToSpace",
    "Flatten",
    "Input",
    "Interpolate",
    "Linear",
    "Logits",
    "MaxPool",
    "Multiply",
    "Ones",
    "Output",
    "Pad",
    "Requantise",
    "Select",
    "Shares",
    "SpaceToDepth",
    "Step",
    "SumPool",
    "Table",
    "TransposedPart",
    "Upsample",
]
