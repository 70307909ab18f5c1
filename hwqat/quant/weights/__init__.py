"""Weight quantisers, by the name a scheme calls them."""

from __future__ import annotations

from hwqat.quant.weights.absmax import Absmax
from hwqat.quant.weights.base import WeightQuantiser

WEIGHT_QUANTISERS: dict[str, type[WeightQuantiser]] = {"absmax": Absmax}

__all__ = ["WEIGHT_QUANTISERS", "Absmax", "WeightQuantiser"]
