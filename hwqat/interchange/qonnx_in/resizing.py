"""Upsampling: every pixel several times, however ONNX spells it."""

from __future__ import annotations

import numpy as np

from hwqat.errors import HwqatError
from hwqat.ops import Upsample

from .draft import Draft
from .moving import integers, moved
from .readers import reads


@reads("Resize", "Upsample")
def resize(draft: Draft, node, x, roi=None, scales=None, sizes=None):
    """Every pixel several times."""
    if node.op == "Upsample" or (scales is None and sizes is None and len(node.inputs) == 2):
        roi, scales = None, node.attributes.get("scales") if roi is None else roi
    x = draft.arrived(node, x)
    tensor = x.tensor
    how = {key: node.attributes.get(key) for key in ("mode", "coordinate_transformation_mode", "nearest_mode")}
    if x.flat or how["mode"] != "nearest":
        raise HwqatError(f"{draft.where(node)} resizes by {how['mode']}; images, by nearest, are supported")
    if sizes is not None and np.size(sizes):
        wanted = integers(draft, node, sizes)[2:]
        factors = [want / size for want, size in zip(wanted, tensor.shape)]
    else:
        factors = draft.constant(node, [] if scales is None else scales).reshape(-1).tolist()
        if len(factors) != 4 or factors[:2] != [1, 1]:
            raise HwqatError(f"{draft.where(node)} has scales {factors}; (1, 1, rows, columns) are supported")
        factors = factors[2:]
    if len(factors) != 2 or any(f < 1 or f != int(f) for f in factors):
        raise HwqatError(f"{draft.where(node)} resizes by {factors}; whole multiples are supported")
    factor = tuple(int(f) for f in factors)
    for size, times in zip(tensor.shape, factor):
        if times * size > 1 << 16 or not np.array_equal(_nearest(size, times, how), np.repeat(np.arange(size), times)):
            raise HwqatError(
                f"{draft.where(node)} takes other pixels than each {times} times ({how['coordinate_transformation_mode']}, "
                f"{how['nearest_mode']}); export it with asymmetric and floor, as torch does"
            )
    if factor == (1, 1):
        return x
    module = draft.path(node)
    return moved(draft, node, x, lambda name, t: Upsample.make(name, t, factor, module=module))


def _nearest(size: int, times: int, how: dict) -> np.ndarray:
    """The pixel that each place takes, by ONNX's definition."""
    places = np.arange(size * times)
    where = {
        "half_pixel": (places + 0.5) / times - 0.5,
        "pytorch_half_pixel": (places + 0.5) / times - 0.5 if size * times > 1 else 0.0 * places,
        "half_pixel_symmetric": (places + 0.5) / times - 0.5,
        "asymmetric": places / times,
        "align_corners": places * (size - 1) / max(size * times - 1, 1),
    }.get(how["coordinate_transformation_mode"] or "asymmetric")
    if where is None:
        return places * 0 - 1
    rounded = {
        "floor": np.floor,
        "ceil": np.ceil,
        "round_prefer_floor": lambda v: np.ceil(v - 0.5),
        "round_prefer_ceil": lambda v: np.floor(v + 0.5),
    }[how["nearest_mode"] or "floor"](where)
    return np.clip(rounded, 0, size - 1)
