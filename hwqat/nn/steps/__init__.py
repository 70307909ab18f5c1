"""The operations of a quantised network, each in its three forms: fake-quantised, exact, and as a graph node."""

from hwqat.nn.steps.base import Step
from hwqat.nn.steps.ends import Input, Output
from hwqat.nn.steps.pooling import MaxPool, SumPool
from hwqat.nn.steps.product import Conv2d, Linear
from hwqat.nn.steps.requantise import Logits, Requantise
from hwqat.nn.steps.shaping import Concat, Flatten, Select

__all__ = [
    "Concat",
    "Conv2d",
    "Flatten",
    "Input",
    "Linear",
    "Logits",
    "MaxPool",
    "Output",
    "Requantise",
    "Select",
    "Step",
    "SumPool",
]
