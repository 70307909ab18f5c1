"""DoReFa's activations (Zhou et al. 2016): a fixed range."""

import torch

from hwqat.quant.activations.clip import Clipping


class DorefaActivation(Clipping):
    """`Clipping` at a range that is chosen once, by calibration, and never moves.

    The paper's range is [0, 1] whatever the network; one that was trained in float needs its own.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.register_buffer("alpha", torch.tensor(1.0))
