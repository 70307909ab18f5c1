"""Window: padding and sliding window over a circular line buffer.

In:  H*W pixels, ``beats_per_pixel`` beats each, of ``lanes`` channels.
Out: for each output pixel (row-major), for each of ``outer`` channel groups, for each tap (``taps``
     of them at once: 1, or all), for each of ``inner`` channel beats: one beat of ``taps * lanes``
     elements, element ``tap * lanes + lane``. A tap outside the image is ``pad_value``.

The line buffer holds ``rows`` rows. With all taps in parallel it is banked by the low bits of row
and column (``rows`` x ``columns`` banks, both powers of two), so that a whole window is read in one
cycle at any stride and padding; with serial taps it is one memory.

A pixel may be written while fewer than ``rows * W`` pixels separate it from the oldest one needed:
the window's first pixel, or pixel 0 while the window's first row lies in the top padding.

Hardware may read and write as soon as data and room allow (RTL does), or follow a fixed schedule
(HLS: one loop of ``cycles`` trips): every trip reads a beat if there is room; trip ``lead + e * pace``
writes beat ``e``. ``lead`` is the least for which every beat was read at least GAP trips before.
``rows`` is the least that keeps both at the rate of the wider side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ..devices import Resources
from ..errors import HwqatError
from ..windows import Geometry
from .base import Elements, Stage

#: Trips between the write of a beat into the line buffer and its first use: more than the depth of
#: an HLS pipeline between the two, so that no read-after-write hazard is real.
GAP = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class Window(Stage):
    kind = "window"
    height: int
    width: int
    geometry: Geometry
    out_height: int
    out_width: int
    outer: int
    inner: int
    lanes: int
    taps: int
    pad_value: int
    bits: int
    signed: bool
    rows: int
    columns: int  # banks across a row; 1 with serial taps
    lead: int
    pace: int

    @classmethod
    def of(cls, name, node, x, geometry, *, lanes, taps, outer, pad_value):
        inner = x.channels // lanes // outer
        out_height, out_width = geometry.out_size(*x.shape[:2])
        columns = _banks(geometry.kernel[1], geometry.dilation[1]) if taps > 1 else 1
        rows, lead, pace, cycles = _schedule(geometry, x.shape[0], x.shape[1], outer, inner, taps)
        return cls(
            name=name,
            node=node.name,
            module=node.module,
            cycles=cycles,
            height=x.shape[0],
            width=x.shape[1],
            geometry=geometry,
            out_height=out_height,
            out_width=out_width,
            outer=outer,
            inner=inner,
            lanes=lanes,
            taps=taps,
            pad_value=pad_value,
            bits=x.bits,
            signed=x.signed,
            rows=rows,
            columns=columns,
            lead=lead,
            pace=pace,
        )

    @property
    def beats_per_pixel(self) -> int:
        return self.outer * self.inner

    @property
    def serial_taps(self) -> int:
        """Beats for the taps of one window."""
        return self.geometry.taps // self.taps

    @property
    def in_beats(self) -> int:
        return self.height * self.width * self.beats_per_pixel

    @property
    def out_beats(self) -> int:
        return self.out_height * self.out_width * self.beats_per_pixel * self.serial_taps

    def beats_of(self, frames: np.ndarray) -> np.ndarray:
        """What leaves for frames (N, H, W, C): (N, out_beats, taps * lanes)."""
        n, *_, channels = frames.shape
        outside = np.full((n, 1, channels), self.pad_value, dtype=frames.dtype)  # the last pixel, which OUTSIDE is
        taken = np.concatenate([frames.reshape(n, -1, channels), outside], axis=1)
        taken = taken[:, self.geometry.pixels(self.height, self.width)]  # (N, OH * OW, taps, C)
        shape = (n, self.out_height * self.out_width, self.serial_taps, self.taps, self.outer, self.inner, self.lanes)
        beats = taken.reshape(shape).transpose(0, 1, 4, 2, 5, 3, 6)  # a beat holds the taps that are read at once
        return beats.reshape(n, self.out_beats, self.taps * self.lanes)

    @property
    def schedule(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the fixed schedule: the trip that reads each input beat, and the trip that writes each output beat."""
        before = self.geometry.windows_before(self.height, self.width, self.rows)
        read = _read_trips(before, self.lead, self.pace, self.beats_per_pixel, self.serial_taps)
        read = read[:, None] + np.arange(self.beats_per_pixel)
        return read.reshape(-1), self.lead + self.pace * np.arange(self.out_beats)

    @cached_property
    def orders(self) -> tuple[np.ndarray, np.ndarray]:
        """Who waits for whom where the two sides run on their own: (need, room), int32.

        Output beat k of a frame may leave once the first ``need[k]`` beats of that frame are in the buffer; input
        beat j may enter once ``room[j]`` output beats have left, counted from the frame's start (negative: of
        frames before it).
        """
        return _orders(self.geometry, self.height, self.width, self.outer, self.inner, self.taps, self.rows)

    @property
    def elements_in(self) -> Elements:
        return Elements(self.lanes, self.bits, self.signed)

    @property
    def elements_out(self) -> Elements:
        return Elements(self.lanes * self.taps, self.bits, self.signed)

    @property
    def buffer_bits(self) -> int:
        """Of the line buffer."""
        return self.rows * self.width * self.beats_per_pixel * self.lanes * self.bits

    def resources(self, device):
        beat, number = self.lanes * self.bits, (self.rows + self.height).bit_length() + self.width.bit_length()
        number += self.beats_per_pixel.bit_length()
        control = Resources(lut=round(device.control * (11 * number + 30)), ff=8 * number + 20)
        if self.taps == 1:
            return (
                device.memory(self.rows * self.width * self.beats_per_pixel, beat)
                + control
                + Resources(lut=beat, ff=2 * beat)
            )
        banks, kernel = self.rows * self.columns, self.geometry.kernel
        bank = device.memory(-(-self.width // self.columns) * self.beats_per_pixel, beat)
        total = control + Resources(lut=kernel[1] * (2 * number + 12), ff=kernel[1] * number + self.columns * number)
        for _ in range(banks):
            total += bank
        choose = self.rows * kernel[1] * beat * _choice(self.columns) + self.taps * beat * (_choice(self.rows) + 1)
        return total + Resources(lut=choose, ff=banks * beat + self.taps * beat)


def _choice(ways: int) -> int:
    """LUTs that choose one of ``ways`` bits: four each."""
    return -(-(ways - 1) // 3)


def _power_of_two(n: int) -> int:
    return 1 << (n - 1).bit_length()


def _banks(taps: int, dilation: int) -> int:
    """Fewest banks, a power of two, in which ``taps`` positions ``dilation`` apart never meet."""
    banks = _power_of_two(taps)
    while len({j * dilation % banks for j in range(taps)}) < taps:
        banks *= 2
    return banks


@lru_cache(maxsize=4096)
def _schedule(geometry, height, width, outer, inner, taps) -> tuple[int, int, int, int]:
    """(rows, lead, pace, trips) of the fixed schedule, with the fewest rows that keep the rate."""
    rows = geometry.span[0] + geometry.stride[0] - 1
    while rows <= 4 * (geometry.span[0] + geometry.stride[0] + height):
        if taps > 1:
            rows = _power_of_two(rows)
        found = _try_rows(geometry, height, width, outer, inner, taps, rows)
        if found and _keeps_rate(*_orders(geometry, height, width, outer, inner, taps, rows)):
            return rows, *found
        rows += 1
    raise HwqatError(f"no line buffer keeps the rate of a window {geometry} over {height} x {width} pixels")


def _try_rows(geometry, height, width, outer, inner, taps, rows):
    beats, steps = outer * inner, geometry.taps // taps  # steps: beats of one window and one channel beat
    newest, before = geometry.newest(height, width, taps), geometry.windows_before(height, width, rows)
    in_beats, out_beats = height * width * beats, len(newest) * beats * steps
    pace = max(1, in_beats // out_beats)
    emitted = np.arange(len(newest))[:, None] * (beats * steps) + np.arange(steps) * inner  # each group's first beat
    lead, slack = 0, in_beats + GAP
    while lead <= slack:
        read_at = _read_trips(before, lead, pace, beats, steps)  # trip of each pixel's first beat
        need = np.where(newest >= 0, read_at[newest] + GAP - pace * emitted, 0).max(initial=0)
        if need <= lead:
            return int(lead), int(pace), int(max(lead + pace * (out_beats - 1) + 1, read_at[-1] + beats))
        lead = int(need)
    return None


def _orders(geometry, height, width, outer, inner, taps, rows) -> tuple[np.ndarray, np.ndarray]:
    """See `Window.orders`."""
    beats, steps = outer * inner, geometry.taps // taps
    newest = geometry.newest(height, width, taps)[:, None, :, None]  # window, group, taps, beat
    beat = np.arange(beats).reshape(outer, 1, inner)
    need = np.where(newest >= 0, newest * beats + beat + 1, 1).reshape(-1)  # padding waits for its frame to begin
    room = np.repeat(geometry.windows_before(height, width, rows) * (beats * steps), beats)
    return need.astype(np.int32), room.astype(np.int32)


def _keeps_rate(need: np.ndarray, room: np.ndarray) -> bool:
    """Can the side with more beats move one every cycle, frame after frame, when each side sees the other's a cycle later?"""
    n_in, n_out = len(room), len(need)
    period = max(n_in, n_out)
    if n_out == period:  # beat k leaves in cycle k
        entered = _as_early(room, period)
        return bool((entered[need - 1] < np.arange(n_out)).all())
    left, last = _as_early(need, period), room - 1  # beat j enters in cycle j, behind the last that must have left
    return bool((left[last % n_out] + last // n_out * period < np.arange(n_in)).all())


def _as_early(allowed: np.ndarray, period: int) -> np.ndarray:
    """Cycle of each beat of a frame: one a cycle, none before ``allowed``, behind those of the frame before."""
    index = np.arange(2 * len(allowed))
    start = np.concatenate([allowed - period, allowed]) - index
    return (index + np.maximum.accumulate(start))[len(allowed) :]


def _read_trips(before, lead, pace, beats, steps):
    """Trip in which each input pixel's first beat is read: one beat a trip, as soon as there is room.

    before: windows that must be done, as in `Geometry.windows_before`; a frame's loop begins with an empty buffer.
    """
    start = np.arange(len(before)) * beats
    # The pointer moves on with the first beat of the window behind those; the read is a trip later.
    allowed = np.where(before <= 0, 0, lead + pace * before * beats * steps + 1)
    return start + np.maximum.accumulate(allowed - start).clip(0)
