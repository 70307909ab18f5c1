"""The quantised network and its parts."""

from hwqat.nn.model import QatModel
from hwqat.nn.weighted import QuantConv2d, QuantLinear

__all__ = ["QatModel", "QuantConv2d", "QuantLinear"]
