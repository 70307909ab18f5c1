"""When a window's line buffer reads and writes, in beats.

A pixel may be written while fewer than ``rows * W`` pixels separate it from the oldest one needed
(`hwqat.windows.Geometry.windows_before`). RTL reads and writes as soon as data and room allow (`orders`). The C++ is
one loop with a fixed `Schedule`, with the fewest rows that keep both at the rate of the wider side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import HwqatError

#: Trips between the write of a beat into the line buffer and its first use: more than the depth of
#: an HLS pipeline between the two, so that no read-after-write hazard is real.
GAP = 4
#: Trips, more than any loop has.
NEVER = 1 << 40


@dataclass(frozen=True)
class Schedule:
    """Every trip reads a beat if there is room; trip ``lead + e * pace`` writes beat ``e``.

    Attributes:
        rows: of the line buffer; trips: of a frame.
        lead: the least for which every beat was read at least GAP trips before it is used.
    """

    rows: int
    lead: int
    pace: int
    trips: int


@lru_cache(maxsize=4096)
def least_schedule(geometry, height, width, outer, inner, taps) -> Schedule:
    """The one with the fewest rows that keep the rate, for ``taps`` taps at once."""
    rows = geometry.span[0] + geometry.stride[0] - 1
    while rows <= 4 * (geometry.span[0] + geometry.stride[0] + height):
        if 1 < taps == geometry.taps:  # each row has banks of its own, chosen by low bits
            rows = 1 << (rows - 1).bit_length()
        found = _try_rows(geometry, height, width, outer, inner, taps, rows)
        if found and _keeps_rate(*orders(geometry, height, width, outer, inner, taps, rows)):
            return found
        rows += 1
    raise HwqatError(f"no line buffer keeps the rate of a window {geometry} over {height} x {width} pixels")


def _try_rows(geometry, height, width, outer, inner, taps, rows) -> Schedule | None:
    beats, steps = outer * inner, geometry.taps // taps  # steps: beats of one window and one channel beat
    newest, before = geometry.newest(height, width, taps), geometry.windows_before(height, width, rows)
    in_beats, out_beats = height * width * beats, len(newest) * beats * steps
    pace = max(1, in_beats // out_beats)
    emitted = np.arange(len(newest))[:, None] * (beats * steps) + np.arange(steps) * inner  # each group's first beat
    used = newest >= 0
    latest = (newest * beats + GAP - pace * emitted)[used]  # read at once, if there were always room: least leads
    lead = int(latest.max(initial=0))
    # Reads that wait for room are as much later as the writes are: more lead does not help where one is too late.
    waits = _waits(before, pace * beats * steps, beats)[newest[used]]
    if lead > in_beats + GAP or (waits + latest).max(initial=-1) > 0:
        return None
    read_at = read_trips(before, Schedule(rows, lead, pace, 0), beats, steps)
    return Schedule(rows, lead, pace, int(max(lead + pace * (out_beats - 1) + 1, read_at[-1] + beats)))


def orders(geometry, height, width, outer, inner, taps, rows) -> tuple[np.ndarray, np.ndarray]:
    """Who waits for whom where the two sides run on their own: (need, room), as `hwqat.stages.loops.Buffer` has them."""
    beats, steps = outer * inner, geometry.taps // taps
    newest = geometry.newest(height, width, taps)[:, None, :, None]  # window, group, taps, beat
    beat = np.arange(beats).reshape(outer, 1, inner)
    need = np.where(newest >= 0, newest * beats + beat + 1, 1).reshape(-1)  # padding waits for its frame to begin
    room = np.repeat(geometry.windows_before(height, width, rows) * (beats * steps), beats)
    return need.astype(np.int32), room.astype(np.int32)


def read_trips(before: np.ndarray, schedule: Schedule, beats: int, steps: int) -> np.ndarray:
    """Trip in which each input pixel's first beat is read: one beat a trip, as soon as there is room.

    before: windows that must be done, as in `Geometry.windows_before`; a frame's loop begins with an empty buffer.
    """
    waits = schedule.lead + _waits(before, schedule.pace * beats * steps, beats)
    return np.arange(len(before)) * beats + waits.clip(0)


def _waits(before: np.ndarray, window: int, beats: int) -> np.ndarray:
    """How many trips later than one a beat each pixel's first beat is read, for want of room, with a lead of 0.

    window: trips of one. The pointer moves on with the first beat of the window behind those that must be done; the
    read is a trip later. What need not wait is far below 0, whatever the lead.
    """
    allowed = np.where(before <= 0, -NEVER, before * window + 1)
    return np.maximum.accumulate(allowed - np.arange(len(before)) * beats)


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
