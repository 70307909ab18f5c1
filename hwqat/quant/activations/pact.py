"""PACT (Choi et al. 2018): the learned clip of a ReLU, with a penalty on its size."""

import torch
from torch import Tensor

from hwqat.quant.activations.base import scale_parameter
from hwqat.quant.activations.clip import SMALLEST_ALPHA, Clipping, ClipRound

#: Weight of the penalty: what the weights' decay usually is.
PENALTY = 5e-4


class Pact(Clipping):
    """`Clipping` with a learned alpha, whose gradient also has that of the penalty ``PENALTY / 2 * alpha^2``.

    As published it stands behind a ReLU and is unsigned. Where signed values live (a linear bottleneck, a sum), the
    clip is symmetric.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.alpha = scale_parameter()

    def quantise(self, x):
        alpha = _Penalised.apply(self.alpha).clamp_min(SMALLEST_ALPHA)
        return ClipRound.apply(x, alpha, self.lo, self.hi)


class _Penalised(torch.autograd.Function):
    """The identity; its backward pass adds the penalty's gradient."""

    @staticmethod
    def forward(ctx, alpha: Tensor) -> Tensor:
        ctx.save_for_backward(alpha)
        return alpha.clone()

    @staticmethod
    def backward(ctx, grad: Tensor):
        return grad + PENALTY * ctx.saved_tensors[0]
