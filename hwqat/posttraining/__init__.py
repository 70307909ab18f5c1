"""Post-training methods: a quantised network is brought nearer to the float one from a few unlabelled images.

`equalise` and `correct_bias` change nothing but constants that are there anyway; `reconstruct` learns how weights are
rounded. All work on what `hwqat.prepare` returns.
"""

from __future__ import annotations

from hwqat.posttraining.bias import correct_bias
from hwqat.posttraining.equalise import equalise
from hwqat.posttraining.reconstruct import METHODS, Reconstruction, reconstruct

__all__ = ["METHODS", "Reconstruction", "correct_bias", "equalise", "reconstruct"]
