"""Window: padding and sliding window over a circular line buffer.

In:  H*W pixels, ``beats_per_pixel`` beats each, of ``lanes`` channels.
Out: for each output pixel (row-major), for each of ``outer`` channel groups, for each tap (``taps``
     of them at once: 1, a row, or all), for each of ``inner`` channel beats: one beat of ``taps * lanes``
     elements, element ``tap * lanes + lane``. A tap outside the image is ``pad_value``.

The line buffer holds ``rows`` rows. With serial taps it is one memory. With a row of taps at once it is
banked by the low bits of the column (``columns`` banks, a power of two), with all taps by those of row
and column (``rows`` x ``columns`` banks, both powers of two), so that what is read at once lies in
different banks at any stride and padding.

Hardware may read and write as soon as data and room allow (RTL does), or follow a fixed schedule
(HLS: one loop), see `hwqat.stages.line_buffer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil, prod

import numpy as np

from ..devices import Resources
from ..windows import Geometry
from .base import Elements, Stage
from .line_buffer import Schedule, least_schedule, orders, read_trips
from .loops import READS, WRITES, Backlog, Buffer, one_to_one, unevenness
from .parameters import CPP, RTL, number, wide


@dataclass(frozen=True, eq=False, kw_only=True)
class Window(Stage):
    kind = "window"
    height: int
    width: int
    geometry: Geometry
    outer: int
    inner: int
    lanes: int
    taps: int
    pad_value: int
    bits: int
    signed: bool
    columns: int  # banks across a row; 1 with serial taps
    schedule: Schedule

    @classmethod
    def of(cls, node, x, folding, outer):
        """In front of a unit of ``node``, whose geometry it has. outer: groups of channels that the unit takes in turn."""
        g, lanes, taps = node.geometry, folding.lanes, folding.taps
        inner = x.channels // lanes // outer
        return cls(
            name=f"{node.name}_window",
            node=node.name,
            module=node.module,
            tensor=x.name,
            height=x.shape[0],
            width=x.shape[1],
            geometry=g,
            outer=outer,
            inner=inner,
            lanes=lanes,
            taps=taps,
            pad_value=node.pad_value,
            bits=x.bits,
            signed=x.signed,
            columns=_banks(g.kernel[1], g.dilation[1]) if taps > 1 else 1,
            schedule=least_schedule(g, *x.shape[:2], outer, inner, taps),
        )

    @classmethod
    def in_front(cls, node, x, folding, outer) -> tuple[Window, ...]:
        """The window that a unit of ``node`` needs in front of it, if any: see `of`."""
        return () if node.geometry.trivial else (cls.of(node, x, folding, outer),)

    @property
    def header(self):
        return "window_rows.h" if self._form == "rows" else "window.h"

    @property
    def cpp(self):
        return f"window_{self._form}"

    @property
    def rtl(self):
        return f"hwqat_window_{self._form}"

    @property
    def _form(self) -> str:
        return "serial" if self.taps == 1 else "parallel" if self.taps == self.geometry.taps else "rows"

    @property
    def out_size(self) -> tuple[int, int]:
        return self.geometry.out_size(self.height, self.width)

    @property
    def rows(self) -> int:
        return self.schedule.rows

    @property
    def beats_per_pixel(self) -> int:
        return self.outer * self.inner

    @property
    def beats(self):
        """Known without a look at the loop, whose trips are many."""
        pixels = self.out_size[0] * self.out_size[1]
        serial = self.geometry.taps // self.taps
        return (self.height * self.width * self.beats_per_pixel,), (pixels * self.beats_per_pixel * serial,)

    @property
    def ins(self):
        return (Elements(self.lanes, self.bits, self.signed),)

    @property
    def outs(self):
        return (Elements(self.lanes * self.taps, self.bits, self.signed),)

    def beats_of(self, values):
        n, *_, channels = values.shape
        outside = np.full((n, 1, channels), self.pad_value, dtype=values.dtype)  # the last pixel, which OUTSIDE is
        taken = np.concatenate([values.reshape(n, -1, channels), outside], axis=1)
        taken = taken[:, self.geometry.pixels(self.height, self.width)]  # (N, OH * OW, taps, C)
        pixels, steps = taken.shape[1], self.geometry.taps // self.taps
        taken = taken.reshape(n, pixels, steps, self.taps, self.outer, self.inner, self.lanes)
        beats = taken.transpose(0, 1, 4, 2, 5, 3, 6)  # a beat holds the taps that are read at once
        return beats.reshape(n, -1, self.taps * self.lanes)

    def problems(self):
        span, padding = self.geometry.span, self.geometry.padding
        if self.taps not in self.geometry.taps_at_once:
            yield "taps", f"one of {self.geometry.taps_at_once}", self.taps
        if any(p >= s for p, s in zip(padding, span * 2)):
            yield "padding", f"less than the window's span {span}", padding
        if self.rows < span[0]:
            yield "rows", f"at least the window's {span[0]}", self.rows
        if self.columns & (self.columns - 1):
            yield "columns", "a power of two", self.columns
        if self._form == "parallel" and self.rows & (self.rows - 1):
            yield "rows", "a power of two", self.rows

    @property
    def cycles(self):
        return self.schedule.trips

    @property
    def trips(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the fixed schedule: the trip that reads each input beat, and the trip that writes each output beat."""
        before = self.geometry.windows_before(self.height, self.width, self.rows)
        read = read_trips(before, self.schedule, self.beats_per_pixel, self.geometry.taps // self.taps)
        read = read[:, None] + np.arange(self.beats_per_pixel)
        return read.reshape(-1), self.schedule.lead + self.schedule.pace * np.arange(self.beats[1][0])

    @property
    def loop(self):
        read, write = self.trips
        order = np.zeros(self.cycles)
        order[read] += READS
        order[write] += WRITES
        return one_to_one(order)

    @cached_property
    def buffer(self) -> Buffer:
        need, room = orders(self.geometry, self.height, self.width, self.outer, self.inner, self.taps, self.rows)
        return Buffer(need, room, latency=2)

    @property
    def pipeline(self):
        return (self.buffer,)

    @property
    def held(self):
        """Where both sides run on their own, or by the fixed schedule of a loop."""
        (ins,), (outs,) = self.beats
        entered, (read, write) = (np.arange(ins) + 1) / ins, self.trips
        free = float((entered - self.buffer.room / outs).max())
        return max(free, float((entered - np.searchsorted(write, read) / outs).max()))

    def unevenness(self, cycles):
        return unevenness(*self.trips, self.cycles, cycles)

    def bursts(self, cycles):
        """As of one beat a pixel, which is nearly the same part of a frame, and soon found."""
        slower = round(max(1.0, cycles / self.cycles), 1)
        return ceil(_gap(self.geometry, self.height, self.width, self.taps, slower) * self.beats[1][0])

    @property
    def backlog(self):
        return Backlog(0, f"the next frame's first rows wait while the loop of {self.name} writes its last ones")

    @property
    def multipliers(self):
        return 0

    @property
    def buffer_bits(self):
        """Of the line buffer."""
        return self.rows * self.width * self.beats_per_pixel * self.lanes * self.bits

    def resources(self, device):
        beat, place = self.lanes * self.bits, (self.rows + self.height).bit_length() + self.width.bit_length()
        place += self.beats_per_pixel.bit_length()
        control = Resources(lut=round(device.control * (11 * place + 30)), ff=8 * place + 20)
        if self.taps == 1:
            return (
                device.memory(self.rows * self.width * self.beats_per_pixel, beat)
                + control
                + Resources(lut=beat, ff=2 * beat)
            )
        rows, kernel = self._form == "rows", self.geometry.kernel
        by_row = 1 if rows else self.rows  # banks down a column
        banks, bank_row = by_row * self.columns, -(-self.width // self.columns) * self.beats_per_pixel
        bank = device.memory(self.rows // by_row * bank_row, beat)
        total = control + Resources(
            lut=kernel[1] * ((2 + rows) * place + 12), ff=kernel[1] * place + self.columns * place
        )
        for _ in range(banks):
            total += bank
        choose = by_row * kernel[1] * beat * _choice(self.columns) + self.taps * beat * (_choice(by_row) + 1 - rows)
        read = 0 if rows and bank.bram else banks * beat  # a block RAM has the register that it is read into
        return total + Resources(lut=choose, ff=read + self.taps * beat)

    def parameters(self, device):
        g, (top, left, *_) = self.geometry, self.geometry.padding
        out_height, out_width = self.out_size
        return (
            number("height", self.height),
            number("width", self.width),
            number("kernel_y", g.kernel[0]),
            number("kernel_x", g.kernel[1]),
            number("stride_y", g.stride[0]),
            number("stride_x", g.stride[1]),
            number("dilation_y", g.dilation[0]),
            number("dilation_x", g.dilation[1]),
            number("pad_top", top),
            number("pad_left", left),
            wide("pad_value", self.pad_value, narrow=True),
            number("out_height", out_height),
            number("out_width", out_width),
            number("outer", self.outer, "channel groups"),
            number("inner", self.inner, "beats of a group"),
            number("lanes", self.lanes),
            number("bits", self.bits),
            number("taps", self.taps, "at once", to=(CPP,)),
            number("rows", self.rows, "in the line buffer"),
            number("columns", self.columns, "banks across a row", to=(CPP, RTL) if self.taps > 1 else (CPP,)),
            number("lead", self.schedule.lead, "trip of the first beat out", to=(CPP,)),
            number("pace", self.schedule.pace, "trips from one beat out to the next", to=(CPP,)),
        )

    def title(self, node, ins):
        g = self.geometry
        words = [f"{g.kernel[0]}x{g.kernel[1]} windows of {ins[0].text}"]
        words += [f"stride {g.stride[0]},{g.stride[1]}"] if g.stride != (1, 1) else []
        words += [f"dilation {g.dilation[0]},{g.dilation[1]}"] if g.dilation != (1, 1) else []
        padding = ",".join(map(str, g.padding))
        if any(g.padding):
            words.append(f"padding {padding} (top, left, bottom, right) with {self.pad_value}")
        return ", ".join(words)

    @property
    def work(self):
        channels = self.outer * self.inner * self.lanes
        banks = {
            "serial": f"{self.rows} rows in one memory",
            "rows": f"{self.rows} rows in {self.columns} banks",
            "parallel": f"{self.rows} x {self.columns} banks",
        }[self._form]
        return f"{self.taps} of {self.geometry.taps} taps x {self.lanes} of {channels} channels a beat, {banks}"


@lru_cache(maxsize=4096)
def _gap(geometry: Geometry, height: int, width: int, taps: int, slower: float) -> float:
    """Part of a frame between an even flow and what a loop of one beat a pixel writes; its node is so much slower."""
    schedule = least_schedule(geometry, height, width, 1, 1, taps)
    before = geometry.windows_before(height, width, schedule.rows)
    outs = prod(geometry.out_size(height, width)) * (geometry.taps // taps)
    reads = read_trips(before, schedule, 1, geometry.taps // taps)
    writes = schedule.lead + schedule.pace * np.arange(outs)
    return unevenness(reads, writes, schedule.trips, ceil(schedule.trips * slower))[1]


def _choice(ways: int) -> int:
    """LUTs that choose one of ``ways`` bits: four each."""
    return -(-(ways - 1) // 3)


def _banks(taps: int, dilation: int) -> int:
    """Fewest banks, a power of two, in which ``taps`` positions ``dilation`` apart never meet."""
    banks = 1 << (taps - 1).bit_length()
    while len({j * dilation % banks for j in range(taps)}) < taps:
        banks *= 2
    return banks
