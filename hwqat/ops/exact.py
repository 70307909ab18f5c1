"""Exact integer convolution on the fastest kernel that provably gives it; int64 loops elsewhere.

- 8 bits: oneDNN's integer convolution. It sums in int32 and hands the sums over as float32.
- float32, float64: they hold every integer up to 2**24 and 2**53. When the L1 norm of a filter times the largest
  input stays below that, every partial sum in any order is exact, whatever the blocking.

What a kernel does inside is the library's business: x86 without VNNI sums pairs of products in saturating int16,
Winograd multiplies by fractions. So each kernel is tried against int64 on operands at its limits, separately for
every shape of convolution (libraries choose their code by shape), before its first result counts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from threading import Lock

import numpy as np
import torch
import torch.nn.functional as F

from ..windows import Geometry
from .integers import Integers

#: Below this many products, trying and preparing a kernel takes longer than int64.
SMALL = 1 << 16
#: Frames of a trial that differ; the rest of a block repeats them.
TRIAL_FRAMES = 3


@dataclass(frozen=True)
class Shape:
    """What a library may choose its code by. image: (H, W, IC) of a frame; filters: OC."""

    frames: int
    image: tuple[int, int, int]
    filters: int
    geometry: Geometry
    groups: int
    precision: str  # torch's setting for float32 convolutions


class Convolution:
    """One layer's convolution; its weights are prepared once for each kernel that takes them.

    weight: integers (OC, KH, KW, IC/groups). fill: the integer outside the image.
    """

    def __init__(self, weight: np.ndarray, geometry: Geometry, groups: int = 1, fill: int = 0) -> None:
        self.arguments = (weight, geometry, groups, fill)
        self.weight, self.geometry, self.groups, self.fill = self.arguments
        self.largest = int(np.abs(weight).max(initial=0))
        self.norm = int(np.abs(weight).reshape(len(weight), -1).sum(axis=1, dtype=np.int64).max())
        self.kernels: dict[type[Kernel], Kernel] = {}

    def __reduce__(self):
        """Copies and pickles prepare their weights anew."""
        return Convolution, self.arguments

    def __call__(self, x: Integers) -> Integers:
        """(N, H, W, IC) -> (N, OH, OW, OC), exact."""
        if any(self.geometry.padding):
            x = x.widened(self.fill, self.fill)
        bound = x.largest * self.norm
        return Integers(self.kernel(self.choose(x, bound))(x), -bound, bound)

    def choose(self, x: Integers, bound: int) -> type[Kernel]:
        """The fastest kernel that is exact here; no sum, in any order, is larger than ``bound``."""
        frames, *image = x.q.shape
        if frames * np.prod(self.geometry.out_size(*image[:2])) * self.weight.size < SMALL:
            return Int64
        shape = Shape(
            frames,
            tuple(image),
            len(self.weight),
            self.geometry,
            self.groups,
            _precision(),
        )
        return next((kind for kind in FAST if kind.takes(self, x, bound) and trusted(kind, shape)), Int64)

    def kernel(self, kind: type[Kernel]) -> Kernel:
        if kind not in self.kernels:
            self.kernels[kind] = kind(self)
        return self.kernels[kind]


def _precision() -> str:
    """torch's setting for float32 convolutions; before torch 2.9 they have the one of products of matrices."""
    own = getattr(torch.backends.mkldnn, "conv", None)
    return torch.get_float32_matmul_precision() if own is None else own.fp32_precision


class Kernel(ABC):
    """One way to convolve; made once for a layer. Calls take (N, H, W, IC) and give (N, OH, OW, OC), contiguous.

    limit: magnitude below which it is exact, where that is all that counts.
    """

    limit: int

    def __init__(self, layer: Convolution) -> None:
        self.geometry, self.groups, self.fill = layer.geometry, layer.groups, layer.fill

    @staticmethod
    @abstractmethod
    def takes(layer: Convolution, x: Integers, bound: int) -> bool:
        """Whether it is exact on these operands; no sum, in any order, is larger than ``bound``."""

    @abstractmethod
    def __call__(self, x: Integers) -> torch.Tensor:
        raise NotImplementedError

    def padded(self, q: torch.Tensor, fill: int, zero: int) -> tuple[torch.Tensor, tuple[int, int]]:
        """(image, padding left to the library), which pads with what stands for ``zero``, alike on opposite sides."""
        top, left, bottom, right = self.geometry.padding
        if (top, left) == (bottom, right) and fill == zero:
            return q, (top, left)
        return F.pad(q, (0, 0, left, right, top, bottom), value=fill), (0, 0)


class Bytes(Kernel):
    """oneDNN on uint8 images with a zero point, and int8 weights."""

    zero: int
    lo: int
    hi: int

    @staticmethod
    @abstractmethod
    def offset(q: torch.Tensor) -> torch.Tensor:
        """Integers as the bytes that stand for them."""

    def __init__(self, layer):
        super().__init__(layer)
        self.weight = torch.from_numpy(layer.weight.astype(np.int8)).permute(0, 3, 1, 2).contiguous()
        self.ones = torch.ones(len(layer.weight)), torch.zeros(len(layer.weight), dtype=torch.int32)
        self.packed: dict[tuple, torch.Tensor] = {}

    @classmethod
    def takes(cls, layer, x, bound):
        return cls.lo <= x.lo <= x.hi <= cls.hi and layer.largest <= 127 and bound < 1 << 24

    def __call__(self, x):
        q, padding = self.padded(self.offset(x.q), self.fill + self.zero, self.zero)
        image = q.permute(0, 3, 1, 2)
        scales, zeros = self.ones
        windows = [list(self.geometry.stride), list(padding), list(self.geometry.dilation), self.groups]
        packed = self.packed.get(tuple(image.shape))
        if packed is None:
            packed = torch.ops.onednn.qconv_prepack(self.weight, scales, 1.0, self.zero, *windows, list(image.shape))
            self.packed[tuple(image.shape)] = packed
        out = torch.ops.onednn.qconv2d_pointwise(
            image, 1.0, self.zero, packed, scales, zeros, None, *windows, 1.0, 0, torch.float32, "none", [], ""
        )
        return out.permute(0, 2, 3, 1).contiguous()


class Unsigned8(Bytes):
    zero, lo, hi = 0, 0, 255

    @staticmethod
    def offset(q):
        return q.to(torch.uint8)


class Signed8(Bytes):
    zero, lo, hi = 128, -128, 127

    @staticmethod
    def offset(q):
        return q.to(torch.int8).view(torch.uint8) ^ 128  # q + 128


class Float(Kernel):
    """Floating point, in channels-last order."""

    dtype: torch.dtype
    limit: int

    def __init__(self, layer):
        super().__init__(layer)
        self.weight = torch.from_numpy(layer.weight).to(self.dtype).permute(0, 3, 1, 2).contiguous()

    @classmethod
    def takes(cls, layer, x, bound):
        return bound < cls.limit and x.largest < cls.limit and layer.largest < cls.limit

    def __call__(self, x):
        q, padding = self.padded(x.q.to(self.dtype), self.fill, 0)
        image = q.permute(0, 3, 1, 2)
        if image.shape[1] == 1:
            # Strides of a single channel may read as (N, C, H, W) or (N, H, W, C); oneDNN then leaves parts of an
            # output of width 1 unwritten (torch 2.13). A copy has the strides of (N, C, H, W).
            image = image.clone(memory_format=torch.contiguous_format)
        out = F.conv2d(image, self.weight, None, self.geometry.stride, padding, self.geometry.dilation, self.groups)
        return out.permute(0, 2, 3, 1).contiguous()


class Float32(Float):
    dtype, limit = torch.float32, 1 << 24


class Float64(Float):
    dtype, limit = torch.float64, 1 << 53


class Int64(Kernel):
    """The definition: windows times filters in int64. Slow, and what the others are tried against."""

    def __init__(self, layer):
        super().__init__(layer)
        self.weight = np.asarray(layer.weight, dtype=np.int64)

    @staticmethod
    def takes(layer, x, bound):
        return bound < 1 << 63

    def __call__(self, x):
        windows = self.geometry.view(x.array(), self.fill)  # (N, OH, OW, KH, KW, IC)
        ic, oc = self.weight.shape[3], len(self.weight) // self.groups
        parts = [
            np.tensordot(
                windows[..., g * ic : (g + 1) * ic], self.weight[g * oc : (g + 1) * oc], axes=((3, 4, 5), (1, 2, 3))
            )
            for g in range(self.groups)
        ]
        return torch.from_numpy(np.concatenate(parts, axis=-1))


_ONE_AT_A_TIME = Lock()
#: The fastest first.
FAST = (Unsigned8, Signed8, Float32, Float64)


def trusted(kind: type[Kernel], shape: Shape) -> bool:
    """Whether a kernel passed the trial; each is tried once."""
    with _ONE_AT_A_TIME:
        return _passes(kind, shape)


@cache
def _passes(kind: type[Kernel], shape: Shape) -> bool:
    """The start-up self-test of a kernel on one shape of convolution: its results are those of int64 at its limits."""
    layer, frames = trial(kind, shape)
    x = Integers.of(frames)
    repeats = torch.arange(shape.frames) % TRIAL_FRAMES
    try:
        found = kind(layer)(Integers(x.q[repeats], x.lo, x.hi))
    except (AttributeError, RuntimeError):  # this build of torch, or this processor, has no such kernel
        return False
    wanted = Int64(layer)(x).to(found.dtype)  # sums of bytes may pass 2**24 here: float32 rounds them, once
    return torch.equal(found, wanted[repeats])


def trial(kind: type[Kernel], shape: Shape) -> tuple[Convolution, np.ndarray]:
    """Weights and frames (TRIAL_FRAMES, H, W, IC) at a kernel's limits: all largest, extremes at random, uniform."""
    rng = np.random.default_rng(0)
    size = (shape.filters, *shape.geometry.kernel, shape.image[2] // shape.groups)
    weight = rng.choice(np.array([-127, 127]), size)
    weight[0] = 127
    layer = Convolution(weight, shape.geometry, shape.groups)
    hi = kind.hi if issubclass(kind, Bytes) else (kind.limit - 1) // layer.norm
    lo = kind.lo if issubclass(kind, Bytes) else -hi
    frames = rng.integers(lo, hi, (TRIAL_FRAMES, *shape.image), endpoint=True)
    frames[0], frames[1] = hi, rng.choice(np.array([lo, hi]), shape.image)
    return layer, frames
