"""A transposed convolution as convolutions: its output pixels in phases, each of which is a convolution of its input.

With stride s, pixel f of the output before padding is cut off sums ``x[i] * w[k]`` where ``f = s*i + d*k``. Pixels
``f = base + s*q + r`` of one phase r read the taps k with ``d*k = base + r (mod s)``, at ``i = q + (base + r - d*k) / s``:
a window that slides by one. Phases beside each other are the channels of a smaller image, which depth to space spreads
out; what stands before ``padding`` is cropped.

Shi, Caballero, Theis and others, "Is the deconvolution layer the same as a convolutional layer?" (2016) show that both
are one. Phases of one window become one convolution; others have kernels of another size, and are convolutions of their
own, so that no zero is multiplied. Rows and columns are independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd

import torch
from torch import Tensor

from hwqat.windows import Geometry


@dataclass(frozen=True)
class _Window:
    """Of phases along one axis: pixels q + first, q + first + apart, .. are read by ``taps`` of each phase."""

    first: int
    count: int
    apart: int

    @property
    def last(self) -> int:
        return self.first + (self.count - 1) * self.apart


@dataclass(frozen=True)
class _Axis:
    """windows: those that there are, with their phases and the taps of each. size: of the input. rows: how many each phase
    makes. start: how many of the pixels that are made come before the output."""

    windows: dict[_Window, dict[int, tuple[int, ...]]]
    size: int
    rows: int
    start: int

    @property
    def cost(self) -> tuple[int, int, int]:
        """Windows, stages that pad, products: the fewer the better, in that order."""
        wide = [window for window in self.windows if any(self.padding(window)[0])]
        taps = sum(window.count * len(phases) for window, phases in self.windows.items())
        return len(self.windows), len(wide), taps * self.rows

    def padding(self, window: _Window) -> tuple[tuple[int, int], tuple[int, int]]:
        """(before, behind) the image: of a stage in front of the window, which pads less than it spans, and its own."""
        most = window.last - window.first
        whole = (-window.first, self.rows - self.size + window.last)
        return tuple(max(0, n - most) for n in whole), tuple(min(n, most) for n in whole)


@dataclass(frozen=True)
class Part:
    """One convolution, of an image with ``pad`` zeros around it (top, left, bottom, right) beside those of its window.

    phases: (row, column) of each. taps: of each phase, the place in the kernel, row by row, of each place in the window.
    """

    geometry: Geometry
    pad: tuple[int, int, int, int]
    phases: tuple[tuple[int, int], ...]
    taps: tuple[tuple[int, ...], ...]

    def filters(self, weight: Tensor, groups: int) -> Tensor:
        """Weights (IC, OC/groups, KH, KW) as those of this convolution: (OC * phases, IC/groups, kh, kw), the phases of a
        group side by side."""
        ins, outs = len(weight) // groups, weight.shape[1]
        flat = weight.reshape(groups, ins, outs, -1)
        found = flat[..., torch.tensor(self.taps, device=weight.device)]  # (G, IC, OC, phases, taps)
        return found.permute(0, 3, 2, 1, 4).reshape(-1, ins, *self.geometry.kernel)


@dataclass(frozen=True)
class Phases:
    """factor: of depth to space. parts: the convolutions; their outputs side by side are what `channels` orders. start,
    size: of the rows and columns that are kept of what they make; made: how many there are."""

    factor: tuple[int, int]
    parts: tuple[Part, ...]
    start: tuple[int, int]
    size: tuple[int, int]
    made: tuple[int, int]

    def channels(self, outs: int, groups: int) -> tuple[int, ...]:
        """For each phase and each of ``outs`` channels, where it stands among what the parts make; -1: a phase of zeros."""
        each = outs // groups
        place, first = {}, 0
        for part in self.parts:
            for group in range(groups):
                for phase in part.phases:
                    for channel in range(each):
                        place[phase, group * each + channel] = first
                        first += 1
        rows, columns = self.factor
        return tuple(place.get(((y, x), c), -1) for y in range(rows) for x in range(columns) for c in range(outs))


def phases(image, kernel, stride, padding, dilation, out) -> Phases:
    """Of a transposed convolution of an image of (H, W) pixels to ``out``; all arguments as (vertical, horizontal)."""
    rows, columns = (_axis(*each) for each in zip(image, kernel, stride, padding, dilation, out))
    parts = tuple(_parts(rows, columns, kernel))
    made = tuple(s * axis.rows for s, axis in zip(stride, (rows, columns)))
    return Phases(tuple(stride), parts, (rows.start, columns.start), tuple(out), made)


def _parts(rows: _Axis, columns: _Axis, kernel) -> Iterator[Part]:
    for down, down_phases in rows.windows.items():
        for across, across_phases in columns.windows.items():
            ends = zip(rows.padding(down), columns.padding(across))
            pad, padding = ((top, left, bottom, right) for (top, bottom), (left, right) in ends)
            geometry = Geometry((down.count, across.count), (1, 1), (down.apart, across.apart), padding)
            both = [((y, x), a, b) for y, a in down_phases.items() for x, b in across_phases.items()]
            taps = tuple(tuple(m * kernel[1] + n for m in a for n in b) for _, a, b in both)
            yield Part(geometry, pad, tuple(phase for phase, *_ in both), taps)


def _axis(size: int, kernel: int, stride: int, padding: int, dilation: int, out: int) -> _Axis:
    """The best of the ways to number the pixels, and of how many to make: see `_Axis.cost`."""
    options = (
        axis
        for base in range(padding, -stride, -1)
        for axis in _of_base(base, size, kernel, stride, dilation, padding - base, out)
    )
    return min(options, key=lambda axis: axis.cost)


def _of_base(base: int, size: int, kernel: int, stride: int, dilation: int, start: int, out: int) -> Iterator[_Axis]:
    """Those whose windows begin no later than the image, and end no sooner: with ``base = 1 - stride`` some do."""
    apart = dilation // gcd(stride, dilation)
    taps: dict[int, list[int]] = {}
    for k in reversed(range(kernel)):  # a later tap reads an earlier pixel
        taps.setdefault((dilation * k - base) % stride, []).append(k)
    windows: dict[_Window, dict[int, tuple[int, ...]]] = {}
    for r, ks in sorted(taps.items()):
        window = _Window((base + r - dilation * ks[0]) // stride, len(ks), apart if len(ks) > 1 else 1)
        windows.setdefault(window, {})[r] = tuple(ks)
    if max(window.first for window in windows) > 0:
        return
    needed, shortest = -(-(start + out) // stride), size - min(window.last for window in windows)
    longest = size - min(window.first for window in windows)
    for rows in range(max(needed, shortest), max(needed, shortest, longest) + 1):
        yield _Axis(windows, size, rows, start)
