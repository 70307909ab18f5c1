"""Weight quantisers, by the name a scheme calls them. A new one is a class and a line here."""

from __future__ import annotations

from hwqat.quant.weights.absmax import Absmax
from hwqat.quant.weights.affine import AffineWeights
from hwqat.quant.weights.base import WeightQuantiser
from hwqat.quant.weights.dorefa import Dorefa, DorefaSymmetric
from hwqat.quant.weights.lsq import Lsq, LsqMse
from hwqat.quant.weights.power_of_two import PowerOfTwo

WEIGHT_QUANTISERS: dict[str, type[WeightQuantiser]] = {
    "absmax": Absmax,
    "dorefa": Dorefa,
    "dorefa-symmetric": DorefaSymmetric,
    "lsq": Lsq,
    "lsq-mse": LsqMse,
    "power-of-two": PowerOfTwo,
    "affine": AffineWeights,
}

__all__ = ["WEIGHT_QUANTISERS", "WeightQuantiser", *(cls.__name__ for cls in WEIGHT_QUANTISERS.values())]
