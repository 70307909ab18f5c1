"""Activation quantisers, by the name a scheme calls them."""

from __future__ import annotations

from hwqat.quant.activations.base import ActQuantiser
from hwqat.quant.activations.modified_pact import ModifiedPact

ACT_QUANTISERS: dict[str, type[ActQuantiser]] = {"modified-pact": ModifiedPact}

__all__ = ["ACT_QUANTISERS", "ActQuantiser", "ModifiedPact"]
