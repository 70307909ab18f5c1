"""Quantisers and the scheme that chooses them."""

from __future__ import annotations

from hwqat.quant.activations import ACT_QUANTISERS, ActQuantiser
from hwqat.quant.constants import Rescale
from hwqat.quant.scheme import Scheme
from hwqat.quant.weights import WEIGHT_QUANTISERS, WeightQuantiser

__all__ = ["ACT_QUANTISERS", "WEIGHT_QUANTISERS", "ActQuantiser", "Rescale", "Scheme", "WeightQuantiser"]
