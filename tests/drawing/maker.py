"""Grows a graph node by node from random sources."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np

from hwqat.errors import HwqatError
from hwqat.graph import Tensor
from hwqat.ops import Folding, Geometry, Input, Op, Output

#: Cycles a node may take for one frame with the folding it is given; bounds the time of a simulation.
MAX_CYCLES = 500
#: Frames of each case: all lo, all hi, a mix of the two, uniform.
FRAMES = 4
#: Elements of a tensor, and of a layer's weights, at most.
MAX_ELEMENTS, MAX_WEIGHTS = 400, 1200
#: Nodes before the outputs are added.
MAX_STEPS = 7
MODULES = ("stem", "stages.0.0", "stages.0.1", "stages.1.0", "stages.1.1.downsample", "head", "")
OUT_BITS = (8, 4, 2, 1, 8, 16, 32, *range(1, 33))

#: What may be drawn, each as often as it stands here: (maker, a tensor to read) -> nodes added by `Maker.add`, or none.
DRAWS: list[Callable] = []


def drawn(times: int = 1, simplest: bool = False) -> Callable[[Callable], Callable]:
    """Decorator: makes a function one of the draws, ``times`` as likely as others; ``simplest``: what to shrink to."""

    def add(draw: Callable) -> Callable:
        DRAWS[0 if simplest else len(DRAWS) :] = [draw] * times + (DRAWS if simplest else [])
        return draw

    return add


class Maker:
    """Grows a graph node by node from random sources."""

    def __init__(self, rng: Random, name: str) -> None:
        self.rng = rng
        self.name = name
        self.nodes: list[Op] = []
        self.values: dict[str, np.ndarray] = {}  # golden integers of the frames, to scale constants by
        self.module = 0

    # ---- drawing

    def chance(self, percent: int) -> bool:
        return self.rng.randint(0, 99) >= 100 - percent  # shrinks to False

    def pick(self, options):
        return options[self.rng.randint(0, len(options) - 1)]

    def array(self, low: int, high: int, shape) -> np.ndarray:
        """int64 in ``low..high``: ones at first, then uniform, extremes, or sparse."""
        generator = np.random.default_rng(self.rng.randint(0, 2**31))
        style = self.pick(("near", "uniform", "uniform", "extreme", "sparse"))
        if style == "near":
            return np.full(shape, min(max(1, low), high), dtype=np.int64)
        if style == "extreme":
            return generator.choice(np.array([low, high], dtype=np.int64), shape)
        values = generator.integers(low, high, shape, dtype=np.int64, endpoint=True)
        return values * (generator.random(shape) < 0.3) if style == "sparse" and low <= 0 <= high else values

    # ---- the graph

    def add(self, cls, *args, **kwargs) -> Op | None:
        """Make a node and keep it if it is legal and small; None otherwise."""
        if self.chance(30):
            self.module = min(self.module + 1, len(MODULES) - 1)
        elif self.chance(5):
            self.module = 0
        try:
            node = cls.make(f"{cls.op}{len(self.nodes)}", *args, **kwargs, module=MODULES[self.module])
            ins = tuple(self.tensor(name) for name in node.inputs)
            legal = not [*node.out.problems(), *node.problems(ins)]
        except HwqatError:  # an accumulator of more than 48 bits
            return None
        if not legal or node.out.size > MAX_ELEMENTS:
            return None
        if min(node.cycles(ins, f) for f in node.foldings(ins)) > MAX_CYCLES:
            return None
        self.nodes.append(node)
        self.values[node.name] = (
            node.evaluate(*(self.values[n] for n in node.inputs)) if node.inputs else self.frames(node.out)
        )
        return node

    def tensor(self, name: str) -> Tensor:
        return next(node.out for node in self.nodes if node.name == name)

    def source(self) -> Tensor:
        """A tensor to read: mostly one that nothing reads yet, the latest first."""
        every = [node.out for node in self.nodes][::-1]
        unread = self.unread()[::-1]
        return self.pick(unread if unread and not self.chance(25) else every)

    def unread(self) -> list[Tensor]:
        read = {name for node in self.nodes for name in node.inputs}
        return [node.out for node in self.nodes if node.op != Output.op and node.name not in read]

    def step(self) -> None:
        x = self.source()
        self.pick(DRAWS)(self, x)

    def input(self) -> None:
        first = self.nodes[0].out if self.nodes else None
        height, width = (
            (first.shape[:2]) if first else (self.pick((3, 1, 2, 5, 4, 7, 8)), self.pick((3, 1, 2, 4, 5, 6, 9)))
        )
        channels = min(self.pick((1, 2, 3, 4, 5, 6)), MAX_ELEMENTS // (height * width))
        low, high = self.range(self.pick(OUT_BITS))
        self.add(
            Input,
            (height, width, channels),
            lo=low,
            hi=high,
            scale=1.0,
            zero_point=low if self.chance(10) else 0,
            **self.container(low, high, 32),
        )

    def range(self, bits: int) -> tuple[int, int]:
        """lo, hi of a tensor: the whole container, symmetric, from zero, or anything inside."""
        signed = self.chance(60)
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        style = self.pick(("whole", "symmetric", "relu", "inside"))
        if style == "symmetric" and signed and bits > 1:
            return -high, high
        if style == "relu":
            return 0, high
        if style == "inside":
            a, b = self.rng.randint(low, high), self.rng.randint(low, high)
            return min(a, b), max(a, b)
        return low, high

    def container(self, low: int, high: int, limit: int) -> dict:
        """Sometimes a container wider than the range asks for."""
        if not self.chance(15):
            return {}
        least = max((-low - 1).bit_length() + 1 if low < 0 else 0, high.bit_length() + 1 if high > 0 else 1)
        return {"signed": True, "bits": min(limit, least + self.rng.randint(0, 3))} if least <= limit else {}

    # ---- operators

    def geometry(self, x: Tensor, *, same: bool = False, stride: tuple[int, int] | None = None) -> Geometry:
        """A window that fits ``x``; ``same`` pads so that stride 1 keeps the size."""
        kernel = tuple(self.pick((3, 1, 2, 3, 1, 4, 5)) for _ in range(2))
        dilation = tuple(self.pick((1, 1, 1, 2, 3)) for _ in range(2))
        stride = stride or ((1, 1) if same else tuple(self.pick((1, 2, 1, 3)) for _ in range(2)))
        before, after = [], []
        for k, d, _size in zip(kernel, dilation, x.shape[:2]):
            span = (k - 1) * d + 1
            if same:
                first = self.rng.randint(0, span - 1)
                before.append(first), after.append(span - 1 - first)
            else:
                padded = self.chance(60)
                before.append(self.rng.randint(0, span - 1) if padded else 0)
                after.append(max(0, min(span - 1, self.rng.randint(0, span - 1) if padded else 0)))
        return Geometry(kernel, stride, dilation, (before[0], before[1], after[0], after[1]))

    def pad_value(self, x: Tensor) -> int | None:
        low = -(1 << (x.bits - 1)) if x.signed else 0
        options = [None, None, 0, x.lo, x.hi, low]
        value = self.pick(options)
        return None if value is not None and abs(value) >= 2**31 else value

    # ---- hardware and frames

    def folding(self, node: Op, ins) -> Folding:
        legal = [f for f in node.foldings(ins) if node.cycles(ins, f) <= MAX_CYCLES]
        return self.pick(legal)

    def frames(self, x: Tensor) -> np.ndarray:
        """All lo, all hi, a mix of the two, uniform."""
        generator = np.random.default_rng(self.rng.randint(0, 2**31))
        ends = np.array([x.lo, x.hi], dtype=np.int64)
        frames = generator.integers(x.lo, x.hi, (FRAMES, *x.shape), dtype=np.int64, endpoint=True)
        frames[0], frames[1] = ends
        frames[2] = generator.choice(ends, x.shape)
        return frames
