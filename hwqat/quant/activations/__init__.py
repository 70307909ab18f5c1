"""Activation quantisers, by the name a scheme calls them. A new one is a class and a line here."""

from __future__ import annotations

from hwqat.quant.activations.affine import AffineActivation
from hwqat.quant.activations.base import ActQuantiser
from hwqat.quant.activations.dorefa import DorefaActivation
from hwqat.quant.activations.lsq import LsqActivation
from hwqat.quant.activations.lsq_offset import LsqOffset
from hwqat.quant.activations.modified_pact import ModifiedPact
from hwqat.quant.activations.moving_average import MovingAverage
from hwqat.quant.activations.pact import Pact
from hwqat.quant.activations.power_of_two import PowerOfTwoActivation

ACT_QUANTISERS: dict[str, type[ActQuantiser]] = {
    "modified-pact": ModifiedPact,
    "pact": Pact,
    "dorefa": DorefaActivation,
    "lsq": LsqActivation,
    "lsq-offset": LsqOffset,
    "moving-average": MovingAverage,
    "power-of-two": PowerOfTwoActivation,
    "affine": AffineActivation,
}

__all__ = ["ACT_QUANTISERS", "ActQuantiser", *(cls.__name__ for cls in ACT_QUANTISERS.values())]
