"""What modules, functions and methods mean: every spelling of an operation, read into one form.

A reader takes an fx node (with its value on an example in its meta, `hwqat.tracer`) and returns (kind, inputs, params)
as `hwqat.calls.Call` has them, or raises `Unsupported`. Arguments that are not tensors are plain values here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from hwqat.nn.affine import Normalise, Scale
from hwqat.ops import Geometry
from hwqat.raw import Constant, Layers, find_constant

INF = float("inf")
ZERO = (0, 0, 0, 0)


class Unsupported(Exception):
    """Why a node is refused, with the nearest supported form."""


def read_module(node: fx.Node, module: nn.Module) -> tuple[str, tuple, dict]:
    """Of a call of one of torch's modules (or of a Normalize)."""
    if module._forward_hooks or module._forward_pre_hooks:
        raise Unsupported("a hook may change what it computes; remove the hook, or make what it computes permanent")
    for kinds, read in _MODULES:
        if isinstance(module, kinds):
            kind, params = read(module, node)
            return kind, _first(node), params
    if is_normalize(module):
        return "scale", _first(node), {"scale": Normalise(_floats(module.mean), _floats(module.std))}
    raise Unsupported(_NEAREST.get(type(module).__name__.lower(), _OTHER))


def read_function(node: fx.Node, layers: Layers) -> tuple[str, tuple, dict]:
    """Of a call of a function or a method; ``layers`` makes layers of functions that are given raw weights."""
    name = _METHODS.get(node.target, node.target) if node.op == "call_method" else node.target
    if name in _WEIGHTED:
        return _WEIGHTED[name](node, layers)
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](node)
    label = getattr(node.target, "__name__", str(node.target)).lower().strip("_")
    raise Unsupported(_NEAREST.get(label, _OTHER))


def is_normalize(m: nn.Module) -> bool:
    """Whether a module is a fixed per-channel normalisation: ours, or what looks like torchvision's."""
    looks_like = type(m).__name__ in ("Normalize", "Normalise") and hasattr(m, "mean") and hasattr(m, "std")
    return isinstance(m, Normalise) or looks_like


_OTHER = (
    "use convolutions, linear layers, batch norms, ReLU and Hardtanh, pools, additions and concatenations of channels"
)
_FORMS = {
    "use ReLU": "gelu leakyrelu leaky_relu prelu elu selu celu mish softplus rrelu threshold maximum",
    "use ReLU6": "silu hardswish",
    "use Hardtanh": "sigmoid hardsigmoid tanh tanhshrink softsign",
    "leave it out: logits order the classes alike": "softmax log_softmax logsoftmax softmax2d argmax",
    "use BatchNorm2d": "layernorm layer_norm groupnorm group_norm instancenorm2d instance_norm localresponsenorm "
    "local_response_norm rmsnorm",
    "use Conv2d, with a kernel of 1 along the missing axis": "conv1d conv3d",
    "use layers that keep or reduce the image": "convtranspose2d conv_transpose2d upsample interpolate pixelshuffle "
    "pixel_shuffle upsamplingnearest2d upsamplingbilinear2d",
    "use Linear, or a 1x1 Conv2d": "matmul bmm mm einsum baddbmm addmm",
    "use convolutions": "multiheadattention scaled_dot_product_attention lstm gru rnn embedding",
    "a part of a tensor; let a convolution of its own make each part": "chunk split unbind tensor_split narrow",
    "another order of axes; hwqat takes images (N, C, H, W), and a 1x1 Conv2d mixes channels": "permute transpose "
    "movedim moveaxis swapaxes channelshuffle channel_shuffle",
    "use a Conv2d whose kernel is its stride": "pixelunshuffle pixel_unshuffle",
    "use an addition": "stack hstack vstack",
    "use MaxPool2d or AvgPool2d": "lppool2d lp_pool2d fractionalmaxpool2d",
    "use the pool for two dimensions": "avgpool1d avg_pool1d maxpool1d max_pool1d adaptiveavgpool1d",
    "use AdaptiveMaxPool2d": "amax max",
    "use a mean over space, or layers with ReLU": "sum var std norm pow square sqrt exp log abs",
    "use ZeroPad2d, or the padding of the layer behind it": "reflectionpad2d replicationpad2d circularpad2d",
}
_NEAREST = {name: form for form, names in _FORMS.items() for name in names.split()}


# Readers of modules: (module, node) -> (kind, params) -----------------------------------------------------------------


def _window(kernel, stride=None, padding=0, dilation=1) -> Geometry:
    """As PyTorch's arguments have it; padding may be "same", "valid", or one number for both sides of each axis."""
    kernel, dilation = _pair(kernel), _pair(dilation)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel)]
        padding = (total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2)
    else:
        padding = ZERO if padding == "valid" else _pair(padding) * 2
    return Geometry(kernel, _pair(stride) if stride else kernel, dilation, padding)


def _conv(m: nn.Conv2d, node):
    if m.padding_mode != "zeros":
        raise Unsupported(f"padding_mode {m.padding_mode!r}; use 'zeros'")
    _own_weights(m)
    return "conv", {"geometry": _window(m.kernel_size, m.stride, m.padding, m.dilation)}


def _linear(m: nn.Linear, node):
    _own_weights(m)
    return "linear", _vectors(node)


def _own_weights(m: nn.Module) -> None:
    if m._parameters.get("weight") is None:
        raise Unsupported(
            "weights that are computed; make them permanent first (torch.nn.utils.parametrize.remove_parametrizations, "
            "prune.remove)"
        )


def _vectors(node: fx.Node) -> dict:
    shape = _shape(_first(node)[0])
    if len(shape) != 2:
        raise Unsupported(f"it reads {shape}, not vectors (N, C); flatten them first, or use a 1x1 Conv2d")
    return {}


def _norm(m, node):
    if m.running_mean is None:
        raise Unsupported("a batch norm without running statistics; use track_running_stats=True")
    return "norm", {}


def _average(node, kernel, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    geometry = _window(kernel, stride, padding)
    if _grown(geometry, node, ceil_mode) != geometry:
        raise Unsupported("ceil_mode; pad the image instead")
    if any(geometry.padding) and not count_include_pad:
        raise Unsupported("count_include_pad=False with padding; use count_include_pad=True")
    if divisor_override not in (None, geometry.taps):
        raise Unsupported("divisor_override; leave it out")
    return {"geometry": geometry}


def _max(node, kernel, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    if return_indices:
        raise Unsupported("return_indices; leave it out")
    return {"geometry": _grown(_window(kernel, stride, padding, dilation), node, ceil_mode)}


def _grown(geometry: Geometry, node: fx.Node, ceil_mode: bool) -> Geometry:
    """The window with what ceil_mode pads below and to the right, which may be nothing."""
    if not ceil_mode:
        return geometry
    top, left, *far = geometry.padding
    for axis in (0, 1):
        out, size = _shape(node)[2 + axis], _shape(_first(node)[0])[2 + axis]
        needed = (out - 1) * geometry.stride[axis] + geometry.span[axis] - size - (top, left)[axis]
        far[axis] = max(far[axis], needed)
    return Geometry(geometry.kernel, geometry.stride, geometry.dilation, (top, left, *far))


def _adaptive(size, node) -> dict:
    """The window of an adaptive pool, whose output must divide the image."""
    _, height, width = _shape(_first(node)[0])[1:]
    size = [n if n is not None else full for n, full in zip(_pair(size), (height, width))]
    if height % size[0] or width % size[1]:
        raise Unsupported(f"{size[0]} x {size[1]} does not divide the image of {height} x {width}; use a fixed window")
    window = (height // size[0], width // size[1])
    return {"geometry": Geometry(window, window)}


def _check_clip(floor: float, cap: float) -> dict:
    if not (floor == 0 or floor == -cap):
        raise Unsupported(f"a clip to [{floor}, {cap}]; use one that begins at 0 or is symmetric")
    return {"floor": floor, "cap": cap}


def _pads(node, pad, mode="constant", value=None) -> dict:
    """pad: (left, right, top, bottom), as `F.pad` takes it, perhaps with channels (and images) of 0."""
    pad = list(pad) if isinstance(pad, (tuple, list)) else [pad] * 4
    if mode != "constant":
        raise Unsupported(f"padding of mode {mode!r}; use 'constant' with 0")
    if len(pad) == 2:
        pad += [0, 0]
    if any(pad[4:]) or min(pad) < 0 or len(_shape(node)) != 4:
        raise Unsupported(f"padding by {tuple(pad)}; pad rows and columns of images only, by 0 or more")
    left, right, top, bottom = pad[:4]
    return {"padding": (top, left, bottom, right), "value": float(value or 0.0)}


_MODULES: tuple[tuple[Any, Callable], ...] = (
    (nn.Conv2d, _conv),
    (nn.Linear, _linear),
    ((nn.BatchNorm2d, nn.BatchNorm1d), _norm),
    (nn.ReLU6, lambda m, node: ("clip", {"floor": 0.0, "cap": 6.0})),
    (nn.ReLU, lambda m, node: ("clip", {"floor": 0.0, "cap": INF})),
    (nn.Hardtanh, lambda m, node: ("clip", _check_clip(float(m.min_val), float(m.max_val)))),
    ((nn.Identity, nn.modules.dropout._DropoutNd), lambda m, node: ("pass", {})),
    (nn.AvgPool2d, lambda m, node: ("average", _average(node, m.kernel_size, m.stride, m.padding, m.ceil_mode,
                                                        m.count_include_pad, m.divisor_override))),
    (nn.AdaptiveAvgPool2d, lambda m, node: ("average", _adaptive(m.output_size, node))),
    (nn.MaxPool2d, lambda m, node: ("max", _max(node, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode,
                                                m.return_indices))),
    (nn.AdaptiveMaxPool2d, lambda m, node: ("max", _adaptive(m.output_size, node))),
    ((nn.ConstantPad2d, nn.ZeroPad2d), lambda m, node: ("pad", _pads(node, m.padding, value=m.value))),
    ((nn.Flatten, nn.Unflatten), lambda m, node: (_reshaping(node), {})),
)  # fmt: skip


# Readers of functions and methods: node -> (kind, inputs, params) -----------------------------------------------------


def _bind(node: fx.Node, **defaults) -> dict:
    """A node's arguments by name: the defaults, in the function's order, overwritten."""
    return dict(defaults) | dict(zip(defaults, node.args)) | {k: v for k, v in node.kwargs.items() if k in defaults}


def _first(node: fx.Node) -> tuple[fx.Node]:
    """The tensor that it reads first, however it is passed."""
    return (node.args[0] if node.args else next(iter(node.kwargs.values())),)


def _shape(node: fx.Node) -> tuple[int, ...]:
    return tuple(node.meta["value"].shape)


def _read_add(node):
    """a + alpha * b, of two activations; or of one and a constant."""
    a, b = _two(node)
    if not _is_image(a) or not _is_image(b):
        return _read_scale(node)
    if _shape(a) != _shape(b):
        raise Unsupported(f"an addition of shapes {_shape(a)} and {_shape(b)}; make them equal")
    return "add", (a, b), {"gains": (1.0, float(node.kwargs.get("alpha", 1)))}


def _read_sub(node):
    a, b = _two(node)
    if not _is_image(a) or not _is_image(b):
        return _read_scale(node)
    kind, inputs, params = _read_add(node)
    return kind, inputs, {"gains": (1.0, -params["gains"][1])}


def _two(node) -> tuple:
    return (*node.args, *(v for k, v in node.kwargs.items() if k in ("input", "other")))[:2]


def _is_image(value) -> bool:
    """Whether it is made from the network's input: neither a number nor a parameter or buffer."""
    return isinstance(value, fx.Node) and find_constant(value) is None


_SCALES: dict[str, Callable[[Any, Any], dict]] = {
    "add": lambda a, b: {"shift": b},
    "mul": lambda a, b: {"gain": b},
    "sub": lambda a, b: {"shift": b, "down": True},
    "div": lambda a, b: {"gain": b, "inverse": True},
}
_REVERSED = {"rsub", "rtruediv"}


def _read_scale(node):
    """x * c, x / c, x + c, x - c, c - x, -x: c a number, or a parameter or buffer with a value a channel."""
    label = getattr(node.target, "__name__", str(node.target)).strip("_").removeprefix("i")
    label = {"true_divide": "div", "truediv": "div", "divide": "div", "multiply": "mul", "subtract": "sub"}.get(
        label, label
    )
    if label in ("neg", "negative"):
        return "scale", _first(node), {"scale": Scale(gain=Constant.number(-1.0))}
    if any(node.kwargs.get(k) not in (None, 1) for k in ("alpha", "rounding_mode")):
        raise Unsupported("alpha or rounding_mode; leave them out")
    a, b = _two(node)
    if _is_image(a) and _is_image(b):
        what = {"mul": "a product", "div": "a quotient"}[label]
        raise Unsupported(f"{what} of two activations; add them, or scale channels by a parameter")
    image, other = (a, b) if _is_image(a) else (b, a)
    constant = Constant.number(other) if not isinstance(other, fx.Node) else find_constant(other)
    if not constant.fits(_shape(image)):
        raise Unsupported(f"a constant of shape {tuple(constant.shape)}; one value for all, or one for each channel")
    if image is not a and label == "div":
        raise Unsupported("a division by an activation; scale channels by a parameter")
    if image is not a and label == "sub":
        return "scale", (image,), {"scale": Scale(gain=Constant.number(-1.0), shift=constant)}
    return "scale", (image,), {"scale": Scale(**_SCALES[label](a, constant))}


def _read_clip(floor, cap):
    return lambda node: ("clip", _first(node), {"floor": floor, "cap": cap})


def _read_hardtanh(node):
    a = _bind(node, input=None, min_val=-1.0, max_val=1.0)
    return "clip", (a["input"],), _check_clip(float(a["min_val"]), float(a["max_val"]))


def _read_clamp(node):
    a = _bind(node, input=None, min=None, max=None)
    if isinstance(a["min"], fx.Node) or isinstance(a["max"], fx.Node):
        raise Unsupported("a clip to a tensor; clip to numbers")
    floor = -INF if a["min"] is None else float(a["min"])
    cap = INF if a["max"] is None else float(a["max"])
    return "clip", _first(node), _check_clip(floor, cap)


def _read_average(node):
    a = _bind(node, input=None, kernel_size=None, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
              divisor_override=None)  # fmt: skip
    return "average", (a.pop("input"),), _average(node, *a.values())


def _read_max(node):
    a = _bind(node, input=None, kernel_size=None, stride=None, padding=0, dilation=1, ceil_mode=False,
              return_indices=False)  # fmt: skip
    return "max", (a.pop("input"),), _max(node, *a.values())


def _read_adaptive(kind):
    def read(node):
        a = _bind(node, input=None, output_size=1)
        return kind, (a["input"],), _adaptive(a["output_size"], node)

    return read


def _read_pad(node):
    a = _bind(node, input=None, pad=None, mode="constant", value=None)
    return "pad", (a.pop("input"),), _pads(node, *a.values())


def _read_concat(node):
    tensors = node.args[0] if node.args else node.kwargs["tensors"]
    axis = _bind(node, tensors=None, dim=node.kwargs.get("axis", 0))["dim"]
    if axis % len(_shape(node)) != 1:
        raise Unsupported(f"concatenation along axis {axis}; concatenate channels, axis 1")
    if not all(_is_image(t) for t in tensors):
        raise Unsupported("a concatenation with a constant; concatenate what is made from the image")
    return "concat" if len(tensors) > 1 else "pass", tuple(tensors), {}


def _read_reshape(node):
    return _reshaping(node), _first(node), {}


def _read_item(node):
    """Of slices: all of a tensor, perhaps without an axis of one pixel."""
    if node.meta["value"].numel() != _first(node)[0].meta["value"].numel():
        raise Unsupported(_NEAREST["split"])
    return _read_reshape(node)


def _reshaping(node) -> str:
    """pass, or flatten: of the images' axes, or of one of its parts that has one pixel."""
    before, after = _shape(_first(node)[0]), _shape(node)
    if before == after:
        return "pass"
    if len(before) == 4 and after == (before[0], before[1] * before[2] * before[3]):
        return "flatten"
    if len(before) == 4 and before[2:] == (1, 1) and after[:2] == before[:2] and set(after[2:]) <= {1}:
        return "flatten" if len(after) == 2 else "pass"
    if len(before) == 3 and before[2] == 1 and after == before[:2]:
        return "flatten"
    raise Unsupported(f"reshaping {before} to {after}; only flattening to (N, C * H * W) is hardware's order")


def _read_mean(node):
    """Over space: at once, or over one axis after the other, which is one pool if the images are all one row wide; or
    over rows or columns alone, where the axis is kept."""
    a = _bind(node, input=None, dim=None, keepdim=False)
    x, kept = a["input"], a["keepdim"]
    axes = _axes(node, a["dim"])
    inner = x.target in (torch.mean, "mean") and len(_shape(x)) == 3
    if inner and axes == [2]:  # x.mean(3).mean(2)
        x = _first(x)[0]
        axes = [2, 3]
    if len(_shape(x)) != 4 or (axes != [2, 3] and not (kept and axes in ([2], [3]))):
        raise Unsupported(f"a mean over {a['dim']}; average over space, axes 2 and 3, or one of them with keepdim=True")
    window = tuple(size if axis in axes else 1 for axis, size in zip((2, 3), _shape(x)[2:]))
    return "average", (x,), {"geometry": Geometry(window, window), "flat": not kept}


def _axes(node, dim) -> list[int]:
    rank = len(_shape(_first(node)[0]))
    axes = range(rank) if dim is None else dim if isinstance(dim, (tuple, list)) else (dim,)
    return sorted(axis % rank for axis in axes)


def _read_pass(node):
    if not node.meta["value"].is_floating_point():
        raise Unsupported(f"a change of type to {node.meta['value'].dtype}; leave it out")
    return "pass", _first(node), {}


_FUNCTIONS: dict[Any, Callable] = {
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add"), _read_add),
    **dict.fromkeys((operator.sub, operator.isub, torch.sub, torch.subtract, "sub"), _read_sub),
    **dict.fromkeys((operator.mul, operator.imul, operator.truediv, operator.itruediv, operator.neg, torch.mul,
                     torch.multiply, torch.div, torch.true_divide, torch.divide, torch.neg, torch.negative, "scale"),
                    _read_scale),
    **dict.fromkeys((F.relu, F.relu_, torch.relu, torch.relu_, "relu"), _read_clip(0.0, INF)),
    F.relu6: _read_clip(0.0, 6.0),
    **dict.fromkeys((F.hardtanh, F.hardtanh_), _read_hardtanh),
    **dict.fromkeys((torch.clamp, torch.clamp_, torch.clip, torch.clamp_min, "clamp"), _read_clamp),
    F.avg_pool2d: _read_average,
    **dict.fromkeys((F.adaptive_avg_pool2d,), _read_adaptive("average")),
    **dict.fromkeys((F.adaptive_max_pool2d,), _read_adaptive("max")),
    **dict.fromkeys((F.max_pool2d, torch.max_pool2d), _read_max),
    F.pad: _read_pad,
    **dict.fromkeys((torch.cat, torch.concat, torch.concatenate), _read_concat),
    **dict.fromkeys((torch.flatten, torch.reshape, torch.squeeze, torch.unsqueeze, "reshape"), _read_reshape),
    operator.getitem: _read_item,
    **dict.fromkeys((torch.mean, "mean"), _read_mean),
    **dict.fromkeys((F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout,
                     F.feature_alpha_dropout, torch.clone, "pass"), _read_pass),
}  # fmt: skip

_METHODS = {
    **dict.fromkeys(("add", "add_"), "add"),
    **dict.fromkeys(("sub", "sub_", "subtract", "subtract_"), "sub"),
    **dict.fromkeys(("mul", "mul_", "multiply", "multiply_", "div", "div_", "divide", "divide_", "true_divide",
                     "true_divide_", "neg", "neg_", "negative"), "scale"),
    **dict.fromkeys(("relu", "relu_"), "relu"),
    **dict.fromkeys(("clamp", "clamp_", "clip", "clip_", "clamp_min", "clamp_min_"), "clamp"),
    **dict.fromkeys(("flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten"), "reshape"),
    **dict.fromkeys(("contiguous", "clone", "to", "float", "type_as", "detach"), "pass"),
    "mean": "mean",
}  # fmt: skip


# Functions with raw weights: (node, layers) -> (kind, inputs, params) -------------------------------------------------


def _read_conv(node, layers: Layers):
    a = _bind(node, input=None, weight=None, bias=None, stride=1, padding=0, dilation=1, groups=1)
    weight, bias = _given(a, "weight"), _given(a, "bias")
    outs, ins, *kernel = weight.shape
    layer = layers.make("conv2d", {"weight": weight, "bias": bias}, lambda: nn.Conv2d(
        ins * a["groups"], outs, tuple(kernel), _pair(a["stride"]),
        a["padding"] if isinstance(a["padding"], str) else _pair(a["padding"]),
        _pair(a["dilation"]), a["groups"], bias is not None, device="meta"))  # fmt: skip
    geometry = _window(kernel, a["stride"], a["padding"], a["dilation"])
    return "conv", (a["input"],), {"geometry": geometry, "layer": layer}


def _read_linear(node, layers: Layers):
    a = _bind(node, input=None, weight=None, bias=None)
    weight, bias = _given(a, "weight"), _given(a, "bias")
    layer = layers.make("linear", {"weight": weight, "bias": bias},
                        lambda: nn.Linear(*reversed(weight.shape), bias is not None, device="meta"))  # fmt: skip
    return "linear", (a["input"],), _vectors(node) | {"layer": layer}


def _read_norm(node, layers: Layers):
    a = _bind(node, input=None, running_mean=None, running_var=None, weight=None, bias=None, training=False,
              momentum=0.1, eps=1e-5)  # fmt: skip
    if a["training"] or a["running_mean"] is None:
        raise Unsupported(
            "a batch norm that uses the batch's statistics in evaluation; give it running ones, training=self.training"
        )
    tensors = {name: _given(a, name) for name in ("running_mean", "running_var", "weight", "bias")}
    if (tensors["weight"] is None) != (tensors["bias"] is None):
        raise Unsupported("a batch norm with a weight alone, or a bias alone; give it both or none")
    kind = nn.BatchNorm2d if len(_shape(node)) == 4 else nn.BatchNorm1d
    layer = layers.make("batch_norm", tensors, lambda: kind(
        len(a["running_mean"].meta["value"]), a["eps"], a["momentum"], tensors["weight"] is not None))  # fmt: skip
    return "norm", (a["input"],), {"layer": layer}


def _given(arguments: dict, name: str) -> Constant | None:
    """The parameter or buffer that is passed as ``name``."""
    if arguments[name] is None:
        return None
    found = find_constant(arguments[name])
    if found is None or found.path is None or arguments[name].op != "get_attr":
        raise Unsupported(f"a {name} that is computed; pass a parameter or a buffer of a module as it is")
    return found


_WEIGHTED: dict[Any, Callable] = {F.conv2d: _read_conv, F.linear: _read_linear, F.batch_norm: _read_norm}


def _pair(value) -> tuple[int, int]:
    return (value, value) if not isinstance(value, (tuple, list)) else (value[0], value[-1])


def _floats(values) -> list[float]:
    return [float(v) for v in (values.flatten().tolist() if isinstance(values, Tensor) else values)]
