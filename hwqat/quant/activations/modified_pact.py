"""Modified PACT: a learned clipping point, symmetric, or one-sided after a ReLU."""

from hwqat.quant.activations.base import scale_parameter
from hwqat.quant.activations.clip import Clipping


class ModifiedPact(Clipping):
    """`Clipping` with a learned alpha, signed wherever values below zero live."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.alpha = scale_parameter()
