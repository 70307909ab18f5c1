"""What modules, functions and methods mean: every spelling of an operation, read into one form.

A reader takes an fx node and returns (kind, inputs, params) as `hwqat.tracing.Call` has them, or raises `Unsupported`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from hwqat.nn.affine import Normalise
from hwqat.ops import Geometry

INF = float("inf")


class Unsupported(Exception):
    """Why a node is refused, with the nearest supported form."""


def read_module(node: fx.Node, module: nn.Module) -> tuple[str, tuple, dict]:
    """Of a call of one of torch's modules (or of a Normalize)."""
    for kinds, read in _MODULES:
        if isinstance(module, kinds):
            kind, params = read(module, node)
            return kind, node.args[:1], params
    if is_normalize(module):
        return "normalise", node.args[:1], {"normalise": Normalise(_floats(module.mean), _floats(module.std))}
    raise Unsupported(_NEAREST.get(type(module).__name__, "use one of the supported layers (see the documentation)"))


def read_function(node: fx.Node) -> tuple[str, tuple, dict]:
    """Of a call of a function or a method. The kind "skip" is for what carries no image data."""
    name = _METHODS.get(node.target, node.target) if node.op == "call_method" else node.target
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](node)
    if is_shape_arithmetic(node):
        return "skip", (), {}
    label = getattr(node.target, "__name__", str(node.target)).lower()
    raise Unsupported(_NEAREST.get(label, "use one of the supported operations (see the documentation)"))


def is_normalize(m: nn.Module) -> bool:
    """Whether a module is a fixed per-channel normalisation: ours, or what looks like torchvision's."""
    looks_like = type(m).__name__ in ("Normalize", "Normalise") and hasattr(m, "mean") and hasattr(m, "std")
    return isinstance(m, Normalise) or looks_like


def is_shape_arithmetic(node: fx.Node) -> bool:
    """Sizes that a view is computed from, which never carry image data."""
    return node.meta.get("shape") is None


_ORDERED_ALIKE = "leave it out: logits order the classes alike"
_NEAREST = {
    **dict.fromkeys(("GELU", "gelu", "LeakyReLU", "leaky_relu", "PReLU", "ELU", "elu", "Mish", "Softplus"), "use ReLU"),
    **dict.fromkeys(("SiLU", "silu", "Hardswish", "hardswish"), "use ReLU6"),
    **dict.fromkeys(("Sigmoid", "sigmoid", "Hardsigmoid", "Tanh", "tanh"), "use Hardtanh"),
    **dict.fromkeys(("Softmax", "softmax", "LogSoftmax", "log_softmax"), _ORDERED_ALIKE),
    **dict.fromkeys(("LayerNorm", "GroupNorm", "InstanceNorm2d"), "use BatchNorm2d"),
    **dict.fromkeys(("Conv1d", "Conv3d", "ConvTranspose2d"), "use Conv2d"),
    **dict.fromkeys(("mul", "truediv", "sub"), "use a batch norm for a scale or a shift"),
    **dict.fromkeys(("Upsample", "interpolate"), "use layers that keep or reduce the image"),
}


# Readers of modules: (module, node) -> (kind, params) -----------------------------------------------------------------


def _conv(m: nn.Conv2d, node):
    if m.padding_mode != "zeros":
        raise Unsupported(f"padding_mode {m.padding_mode!r}; use 'zeros'")
    if m.padding == "same":
        total = [d * (k - 1) for d, k in zip(m.dilation, m.kernel_size)]
        padding = (total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2)
    elif m.padding == "valid":
        padding = (0, 0, 0, 0)
    else:
        padding = (*m.padding, *m.padding)
    return "conv", {"geometry": Geometry(m.kernel_size, m.stride, m.dilation, padding)}


def _norm(m, node):
    if m.running_mean is None:
        raise Unsupported("a batch norm without running statistics; use track_running_stats=True")
    return "norm", {}


def _average_module(m: nn.AvgPool2d, node):
    return "average", _average_window(
        m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad, m.divisor_override
    )


def _average_window(kernel, stride, padding, ceil_mode, count_include_pad, divisor):
    kernel, padding = _pair(kernel), _pair(padding)
    if ceil_mode:
        raise Unsupported("ceil_mode; pad the image instead")
    if any(padding) and not count_include_pad:
        raise Unsupported("count_include_pad=False with padding; use count_include_pad=True")
    geometry = Geometry(kernel, _pair(stride) if stride else kernel, (1, 1), padding * 2)
    if divisor not in (None, geometry.taps):
        raise Unsupported("divisor_override; leave it out")
    return {"geometry": geometry}


def _max_module(m: nn.MaxPool2d, node):
    return "max", _max_window(m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices)


def _max_window(kernel, stride, padding, dilation, ceil_mode, return_indices):
    if ceil_mode or return_indices:
        raise Unsupported("ceil_mode or return_indices; leave them out")
    kernel = _pair(kernel)
    return {"geometry": Geometry(kernel, _pair(stride) if stride else kernel, _pair(dilation), _pair(padding) * 2)}


def _adaptive(size, node) -> dict:
    """The window of an adaptive pool, whose output must divide the image."""
    _, height, width = node.all_input_nodes[0].meta["shape"][1:]
    size = [n if n is not None else full for n, full in zip(_pair(size), (height, width))]
    if height % size[0] or width % size[1]:
        raise Unsupported(f"{size[0]} x {size[1]} does not divide the image of {height} x {width}; use a fixed window")
    window = (height // size[0], width // size[1])
    return {"geometry": Geometry(window, window)}


def _check_clip(floor: float, cap: float) -> dict:
    if not (floor == 0 or floor == -cap):
        raise Unsupported(f"a clip to [{floor}, {cap}]; use one that begins at 0 or is symmetric")
    return {"floor": floor, "cap": cap}


def _flatten_module(m: nn.Flatten, node):
    if m.start_dim != 1 or m.end_dim not in (-1, 3):
        raise Unsupported("flattening of other axes than all of one image; use Flatten(1)")
    return "flatten", {}


_MODULES: tuple[tuple[Any, Callable], ...] = (
    (nn.Conv2d, _conv),
    (nn.Linear, lambda m, node: ("linear", {})),
    ((nn.BatchNorm2d, nn.BatchNorm1d), _norm),
    (nn.ReLU, lambda m, node: ("clip", {"floor": 0.0, "cap": INF})),
    (nn.ReLU6, lambda m, node: ("clip", {"floor": 0.0, "cap": 6.0})),
    (nn.Hardtanh, lambda m, node: ("clip", _check_clip(float(m.min_val), float(m.max_val)))),
    ((nn.Identity, nn.Dropout, nn.Dropout2d), lambda m, node: ("pass", {})),
    (nn.AvgPool2d, _average_module),
    (nn.AdaptiveAvgPool2d, lambda m, node: ("average", _adaptive(m.output_size, node))),
    (nn.MaxPool2d, _max_module),
    (nn.AdaptiveMaxPool2d, lambda m, node: ("max", _adaptive(m.output_size, node))),
    (nn.Flatten, _flatten_module),
)


# Readers of functions and methods: node -> (kind, inputs, params) -----------------------------------------------------


def _bind(node: fx.Node, **defaults) -> dict:
    """A node's arguments by name: the defaults, in the function's order, overwritten."""
    values = dict(defaults)
    values |= dict(zip(defaults, node.args))
    values |= {k: v for k, v in node.kwargs.items() if k in defaults}
    return values


def _read_add(node):
    a, b = (*node.args, *node.kwargs.values())[:2]
    if not (isinstance(a, fx.Node) and isinstance(b, fx.Node)) or node.kwargs.get("alpha", 1) != 1:
        if is_shape_arithmetic(node):
            return "skip", (), {}
        raise Unsupported("an addition of a constant; use a bias or a batch norm")
    if a.meta.get("shape") != b.meta.get("shape"):
        raise Unsupported(f"an addition of shapes {a.meta.get('shape')} and {b.meta.get('shape')}; make them equal")
    return "add", (a, b), {}


def _read_clip(floor, cap):
    return lambda node: ("clip", node.args[:1], {"floor": floor, "cap": cap})


def _read_hardtanh(node):
    a = _bind(node, input=None, min_val=-1.0, max_val=1.0)
    return "clip", (a["input"],), _check_clip(float(a["min_val"]), float(a["max_val"]))


def _read_clamp(node):
    a = _bind(node, input=None, min=None, max=None)
    return (
        "clip",
        (a["input"],),
        _check_clip(-INF if a["min"] is None else float(a["min"]), INF if a["max"] is None else float(a["max"])),
    )


def _read_average(node):
    a = _bind(
        node,
        input=None,
        kernel_size=None,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    )
    x = a.pop("input")
    return "average", (x,), _average_window(*a.values())


def _read_max(node):
    a = _bind(
        node, input=None, kernel_size=None, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
    )
    x = a.pop("input")
    return "max", (x,), _max_window(*a.values())


def _read_adaptive(kind):
    def read(node):
        a = _bind(node, input=None, output_size=1)
        return kind, (a["input"],), _adaptive(a["output_size"], node)

    return read


def _read_concat(node):
    a = _bind(node, tensors=None, dim=0)
    if a["dim"] != 1 and a["dim"] != 1 - len(node.meta["shape"]):
        raise Unsupported(f"concatenation along axis {a['dim']}; concatenate channels, axis 1")
    return "concat", tuple(a["tensors"]), {}


def _read_reshape(node):
    before, after = node.args[0].meta.get("shape"), node.meta.get("shape")
    if before == after:
        return "pass", node.args[:1], {}
    if len(after) == 2 and after[0] == before[0]:
        return "flatten", node.args[:1], {}
    raise Unsupported(f"reshaping {before} to {after}; only flattening to (N, C * H * W) is hardware's order")


def _read_mean(node):
    a = _bind(node, input=None, dim=None, keepdim=False)
    shape = node.args[0].meta["shape"]
    axes = a["dim"] if isinstance(a["dim"], (tuple, list)) else (a["dim"],)
    if None in axes or sorted(i % len(shape) for i in axes) != [2, 3] or len(shape) != 4:
        raise Unsupported(f"a mean over {a['dim']}; average over space, axes 2 and 3")
    return (
        "average",
        (a["input"],),
        {"geometry": Geometry(tuple(shape[2:]), tuple(shape[2:])), "flat": not a["keepdim"]},
    )


_read_pass = lambda node: ("pass", node.args[:1], {})  # noqa: E731

_FUNCTIONS: dict[Any, Callable] = {
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add"), _read_add),
    **dict.fromkeys((F.relu, F.relu_, torch.relu, torch.relu_, "relu"), _read_clip(0.0, INF)),
    F.relu6: _read_clip(0.0, 6.0),
    F.hardtanh: _read_hardtanh,
    **dict.fromkeys((torch.clamp, torch.clip, "clamp"), _read_clamp),
    F.avg_pool2d: _read_average,
    F.adaptive_avg_pool2d: _read_adaptive("average"),
    F.adaptive_max_pool2d: _read_adaptive("max"),
    **dict.fromkeys((F.max_pool2d, torch.max_pool2d), _read_max),
    **dict.fromkeys((torch.cat, torch.concat, torch.concatenate), _read_concat),
    **dict.fromkeys((torch.flatten, torch.reshape, torch.squeeze, "reshape"), _read_reshape),
    **dict.fromkeys((torch.mean, "mean"), _read_mean),
    **dict.fromkeys((F.dropout, F.dropout2d, "pass"), _read_pass),
}  # fmt: skip

_METHODS = {
    **dict.fromkeys(("add", "add_"), "add"),
    **dict.fromkeys(("relu", "relu_"), "relu"),
    **dict.fromkeys(("clamp", "clip"), "clamp"),
    **dict.fromkeys(("flatten", "view", "reshape", "squeeze"), "reshape"),
    **dict.fromkeys(("contiguous", "clone"), "pass"),
    "mean": "mean",
}


def _pair(value) -> tuple[int, int]:
    return (value, value) if not isinstance(value, (tuple, list)) else (value[0], value[-1])


def _floats(values) -> list[float]:
    return [float(v) for v in (values.flatten().tolist() if isinstance(values, Tensor) else values)]
