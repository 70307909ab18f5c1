"""What is refused, and the nearest form that is taken."""

from __future__ import annotations


class Unsupported(Exception):
    """Why a node is refused, with the nearest supported form."""


_OTHER = (
    "use convolutions, linear layers, batch norms, activations, pools, additions, products, slices, upsampling and "
    "concatenations of channels; a function of one number becomes a table by hwqat.pointwise"
)
_FORMS = {
    "use ReLU": "rrelu threshold maximum",
    "leave it out: logits order the classes alike": "argmax",
    "use BatchNorm2d": "layernorm layer_norm groupnorm group_norm instancenorm2d instance_norm localresponsenorm "
    "local_response_norm rmsnorm",
    "use Conv2d": "conv3d",
    "use ConvTranspose2d": "convtranspose3d conv_transpose3d",
    "use Linear, or a 1x1 Conv2d": "matmul bmm mm einsum baddbmm addmm",
    "use convolutions": "multiheadattention scaled_dot_product_attention lstm gru rnn embedding",
    "a part of a tensor; take whole channels, or rows and columns": "chunk split unbind tensor_split narrow",
    "another order of axes; hwqat takes images (N, C, H, W), and a 1x1 Conv2d mixes channels": "permute transpose "
    "movedim moveaxis swapaxes channelshuffle channel_shuffle",
    "use an addition": "stack hstack vstack",
    "use MaxPool2d or AvgPool2d": "lppool2d lp_pool2d fractionalmaxpool2d",
    "use AdaptiveMaxPool2d": "amax max",
    "numbers drawn at random, which are others each time; leave them out": "rand randn randint rand_like randn_like "
    "randint_like normal bernoulli uniform randperm",
    "use a mean over space, or hwqat.pointwise for a function of one number": "sum var std norm pow log",
    "use ZeroPad2d, or the padding of the layer behind it": "reflectionpad2d replicationpad2d circularpad2d",
}
_NEAREST = {name: form for form, names in _FORMS.items() for name in names.split()}


def refusal(*names: str) -> Unsupported:
    """Of a module's class, a function or a method that nothing takes; ``names``: what it is called."""
    return Unsupported(nearest(*names) or _OTHER)


def nearest(*names: str) -> str | None:
    """The nearest form that is taken, if one is known."""
    return next((_NEAREST[key] for name in names if (key := name.lower().strip("_")) in _NEAREST), None)
