"""The cycle model once more, as plainly as it can be said: every process, in every cycle, with nothing skipped.

What `hwqat.sim.models.cycles` makes fast is held to this. It reads the same tables, consumers first.
"""

from __future__ import annotations

from hwqat.sim.models.cycles import START, Model

_SOURCE, _SINK, _UNIT, _FORK, _READER, _WRITER = range(6)
_MASK = (1 << 64) - 1
#: Cycles for which no beat goes on at most, or none ever will: the longest loop of C++ between two of its beats.
LONGEST = 1000


class Fifo:
    def __init__(self, depth):
        self.depth, self.pops, self.pushes, self.most, self.popped_at, self.pushed_at = depth, 0, 0, 0, -1, -2

    @property
    def held(self):
        return self.pushes - self.pops

    def can_pop(self, now):
        return self.held > (self.depth > 2 and self.pushed_at == now - 1)

    def can_push(self, now):
        return self.held + (self.popped_at == now) < self.depth if self.depth else self.held == 0

    def pop(self, now):
        self.pops, self.popped_at = self.pops + 1, now

    def push(self, now):
        self.pushes, self.pushed_at = self.pushes + 1, now
        self.most = max(self.most, self.held)


class Process:
    def __init__(self, model, row, fifos):
        self.kind, self.latency, n_in, n_out, first, second, trips, self.period, order, self.beats, self.other = row
        links = [fifos[i] for i in model._links[first : second + n_out]]
        self.ins, self.outs = links[:n_in], links[n_in:]
        self.moves = [self._moves(model, kind) for kind in model._trips[trips : trips + self.period]]
        self.order = model._orders[order : order + self.beats]
        self.trip = self.done = self.before = self.clock = 0
        self.sent, self.flight = set(), []  # what is in the pipeline: (when, on its clock, outputs)
        self.seen = 0  # trips of the other half of a window when the cycle began

    def _moves(self, model, kind):
        n_reads, n_writes, place = model._moves[kind]
        ends = model._ends[place : place + n_reads + n_writes]
        return [self.ins[i] for i in ends[:n_reads]], [self.outs[i] for i in ends[n_reads:]]

    def goes(self, now):
        """One cycle of the pipeline: lets out what is due. False: it stands still."""
        if self.flight and self.flight[0][0] <= self.clock:
            if not all(f.can_push(now) for f in self.flight[0][1]):
                return False
            for f in self.flight.pop(0)[1]:
                f.push(now)
        return True

    def write(self, outputs, now):
        if self.latency:
            self.flight.append((self.clock + self.latency, outputs))
        else:
            for f in outputs:
                f.push(now)

    def may(self):
        frame, beat = divmod(self.done, self.beats)
        return self.seen >= frame * self.other + self.order[beat]


def plain_run(model: Model, depths, frames, pace, stall_in, stall_out, seed, limit=200_000):
    """(finish of each sink, trips, most of each FIFO), or None if it locks up, for all that `Model.run` takes."""
    held = model.depths.copy()
    for name, depth in depths.items():
        held[model._place[name]] = depth
    fifos = [Fifo(int(depth)) for depth in held]
    processes = [Process(model, row, fifos) for row in model._rows]
    state = 88172645463325252 ^ (seed * 0x9E3779B97F4A7C15 & _MASK)

    def stalls(chance):
        nonlocal state
        if not (chance := int(chance * 65536)):
            return False
        state ^= state >> 12
        state = (state ^ state << 25) & _MASK
        state ^= state >> 27
        return (state * 2685821657736338717 & _MASK) >> 48 < chance

    sinks = [p for p in processes if p.kind == _SINK]
    finish = [[] for _ in sinks]
    moved = 0  # when the last beat went on
    for now in range(limit):
        for i, p in enumerate(processes):  # the halves of a window see each other as they were
            if p.kind == _READER:
                p.seen, processes[i + 1].seen = processes[i + 1].done, p.done
        before = sum(f.pops + f.pushes for f in fifos)
        for p in processes:
            _cycle(p, now, frames, pace, stall_in, stall_out, stalls)
        for row, p in zip(finish, sinks):
            if len(row) < p.done // p.beats:
                row.append(now + 1 - START)
        if all(len(row) == frames for row in finish):
            return finish, [p.done for p in processes], [f.most for f in fifos]
        if before < sum(f.pops + f.pushes for f in fifos):
            moved = now
        if not (stall_in or stall_out) and now > moved + pace + LONGEST:
            return None
    return None


def _cycle(p, now, frames, pace, stall_in, stall_out, stalls):
    if p.kind == _SOURCE:
        due = now >= START + p.done * pace // p.beats
        if p.done < frames * p.beats and p.outs[0].can_push(now) and due and not stalls(stall_in):
            p.outs[0].push(now)
            p.done += 1
    elif p.kind == _SINK:
        if p.done < frames * p.beats and p.ins[0].can_pop(now) and not stalls(stall_out):
            p.ins[0].pop(now)
            p.done += 1
    elif p.kind == _FORK:
        if p.ins[0].can_pop(now):
            for i, f in enumerate(p.outs):
                if i not in p.sent and f.can_push(now):
                    f.push(now)
                    p.sent.add(i)
            if len(p.sent) == len(p.outs):
                p.ins[0].pop(now)
                p.sent = set()
                p.done += 1
    elif p.kind == _WRITER:
        if p.ins[0].can_pop(now) and p.may():
            p.ins[0].pop(now)
            p.done += 1
    elif p.goes(now):
        reads, writes = p.moves[p.trip] if p.kind == _UNIT else ((), p.outs)
        if p.latency == 0 and not all(f.can_push(now) for f in writes):
            return
        if p.may() if p.kind == _READER else all(f.can_pop(now) for f in reads):
            for f in reads:
                f.pop(now)
            if writes:
                p.write(writes, now)
            p.done += 1
            p.trip = (p.trip + 1) % p.period if p.kind == _UNIT else 0
        p.clock += 1
