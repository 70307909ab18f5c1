"""The window stage's fixed schedule, simulated trip by trip over random geometries.

The simulator knows the streams' order and the rule for room, as `hwqat.stages.window` states them, and a
line buffer that remembers what was written where and when. It does not know how the schedule was found.
"""

from dataclasses import replace
from itertools import product
from random import Random

import numpy as np
import pytest

from hwqat.ops import Conv2d, Folding, Geometry, Input
from hwqat.stages import Window
from hwqat.stages.line_buffer import GAP


class Broken(Exception):
    """A rule of the schedule that does not hold."""


def simulate(w: Window) -> tuple[int, list[tuple]]:
    """Run one frame: the number of trips, and the beats written as tuples of (row, column, channel beat) or None."""
    g = w.geometry
    capacity = w.rows * w.width
    taps = [(ky * g.dilation[0], kx * g.dilation[1]) for ky, kx in product(range(g.kernel[0]), range(g.kernel[1]))]
    groups = [taps[i : i + w.taps] for i in range(0, len(taps), w.taps)]
    lead, pace, (in_beats,) = w.schedule.lead, w.schedule.pace, w.beats[0]
    beats = list(product(*map(range, w.out_size), range(w.outer), groups, range(w.inner)))
    assert (len(beats),) == w.beats[1]

    memory: dict[tuple, tuple] = {}  # (row of the buffer, column, channel beat) -> (row, column, trip)
    written, out, read, oldest, trip = 0, [], 0, 0, 0
    while read < in_beats or written < len(beats):
        if trip > 4 * w.cycles + 100:
            raise Broken("it never ends")
        emitted = None
        if trip >= lead and (trip - lead) % pace == 0:
            e = (trip - lead) // pace
            if e < len(beats):
                y, x, group, offsets, inner = beats[e]
                top, left = y * g.stride[0] - g.padding[0], x * g.stride[1] - g.padding[1]
                channel, element, banks = group * w.inner + inner, [], set()
                for dy, dx in offsets:
                    row, column = top + dy, left + dx
                    if not (0 <= row < w.height and 0 <= column < w.width):
                        element.append(None)
                        continue
                    held = memory.get((row % w.rows, column, channel))
                    if held is None or held[:2] != (row, column):
                        raise Broken(f"trip {trip} needs pixel {row, column}; its place holds {held}")
                    if held[2] > trip - GAP:
                        raise Broken(f"trip {trip} needs what trip {held[2]} wrote")
                    element.append((row, column, channel))
                    banks.add((row % w.rows if w.taps == g.taps else 0, column % w.columns))
                if w.taps > 1 and len(banks) != sum(e is not None for e in element):
                    raise Broken(f"trip {trip} reads a bank twice")
                out.append(tuple(element))
                written, emitted = written + 1, max(0, top * w.width + max(0, left)) if top >= 0 else 0
            elif e == len(beats):
                emitted = w.height * w.width
        if read < in_beats:
            pixel, channel = divmod(read, w.beats_per_pixel)
            if pixel < oldest + capacity:
                row, column = divmod(pixel, w.width)
                memory[row % w.rows, column, channel] = (row, column, trip)
                read += 1
        oldest = oldest if emitted is None else emitted
        trip += 1
    return trip, out


def wanted(w: Window) -> list[tuple]:
    """The stream as the module's docstring orders it."""
    g, stream = w.geometry, []
    for y, x, group in product(*map(range, w.out_size), range(w.outer)):
        window = [
            (y * g.stride[0] - g.padding[0] + ky * g.dilation[0], x * g.stride[1] - g.padding[1] + kx * g.dilation[1])
            for ky in range(g.kernel[0])
            for kx in range(g.kernel[1])
        ]
        look = lambda at, c: (*at, c) if 0 <= at[0] < w.height and 0 <= at[1] < w.width else None  # noqa: E731
        channels = range(group * w.inner, (group + 1) * w.inner)
        for i in range(0, len(window), w.taps):
            stream += [tuple(look(at, c) for at in window[i : i + w.taps]) for c in channels]
    return stream


def random_window(rng: Random, largest: int) -> Window:
    """Any geometry that fits an image, in any form."""
    while True:
        height, width = rng.randint(1, largest), rng.randint(1, largest)
        kernel, stride, dilation = ((rng.randint(1, n), rng.randint(1, n)) for n in (5, 4, 3))
        span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)] * 2
        geometry = Geometry(
            kernel, stride, dilation, tuple(rng.randint(0, s - 1) if rng.random() < 0.6 else 0 for s in span)
        )
        groups, inner = rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2, 3, 4))
        if not list(geometry.problems((height, width, 1))):
            break
    x = Input.make("x", (height, width, groups * inner), lo=0, hi=1, scale=1.0).out
    weight = np.ones((groups, *kernel, inner), dtype=np.int64)
    node = Conv2d.make("c", x, weight, weight_bits=1, geometry=geometry, groups=groups)
    taps = rng.choice(geometry.taps_at_once)
    return Window.of(node, x, Folding(lanes=1, taps=taps), outer=groups)


def beats_in_numbers(w: Window) -> list[tuple]:
    """What `beats_of` says of a frame that holds the number of each of its beats, in the form of `simulate`."""
    places = list(product(range(w.height), range(w.width), range(w.beats_per_pixel)))
    frame = np.arange(len(places)).repeat(w.lanes).reshape(1, w.height, w.width, -1)
    beats = replace(w, pad_value=-1).beats_of(frame)[0].reshape(w.beats[1][0], -1, w.lanes)
    assert (beats == beats[:, :, :1]).all()
    return [tuple(places[i] if i >= 0 else None for i in beat) for beat in beats[:, :, 0].tolist()]


@pytest.mark.parametrize(
    "seed, count, largest",
    [
        (1, 120, 7),
        (2, 20, 14),
        pytest.param(3, 1500, 9, marks=pytest.mark.slow),
        pytest.param(4, 100, 24, marks=pytest.mark.slow),
    ],
)
def test_the_fixed_schedule_keeps_every_beat_until_it_is_used(seed, count, largest):
    rng = Random(seed)
    for _ in range(count):
        w = random_window(rng, largest)
        trips, out = simulate(w)
        assert out == wanted(w), w
        assert beats_in_numbers(w) == out, w
        assert trips == w.cycles, w
        # Near the ideal: whichever of input and output is longer, and the lead before the first beat.
        assert w.cycles <= max(*w.beats[0], *w.beats[1]) + w.schedule.lead + w.beats[0][0] // w.height, w
        assert not list(w.problems()), w


def test_a_worse_schedule_is_noticed():
    """The simulator fails where it should: one trip earlier, one row less, banks that meet."""
    rng, seen = Random(5), {"lead": 0, "rows": 0, "columns": 0}
    for _ in range(60):
        w = random_window(rng, 8)
        worse = {"lead": w.schedule.lead - 1, "rows": w.geometry.span[0] - 1, "columns": w.columns // 2}
        for field, value in worse.items():
            if value < 1 or (field == "columns" and w.taps == 1):
                continue
            change = {field: value} if field == "columns" else {"schedule": replace(w.schedule, **{field: value})}
            try:
                trips, _out = simulate(replace(w, **change))
                seen[field] += trips != w.cycles
            except Broken:
                seen[field] += 1
    assert min(seen.values()) >= 10, seen


def test_padding_of_one_frame_costs_no_beat():
    """A 3x3 window over 8 x 8 pixels, padded, all taps at once: one frame takes little more than its 64 pixels."""
    x = Input.make("x", (8, 8, 1), lo=0, hi=1, scale=1.0).out
    geometry = Geometry((3, 3), padding=(1, 1, 1, 1))
    node = Conv2d.make("c", x, np.ones((1, 3, 3, 1), dtype=np.int64), weight_bits=1, geometry=geometry)
    w = Window.of(node, x, Folding(taps=9), outer=1)
    assert (w.beats, w.rows, w.columns) == (((64,), (64,)), 4, 4)
    assert w.cycles == 64 + w.schedule.lead == 64 + 8 + 1 + GAP
