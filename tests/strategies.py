"""Random valid graphs: every operator, every odd shape, small enough to simulate.

One generator serves both users. `random_case(seed)` gives the same case for the same seed, which the
batch engines want; `cases()` is a Hypothesis strategy over the same code, which shrinks. In each draw
the simplest choice comes first, since Hypothesis shrinks towards it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from random import Random

import numpy as np
from hypothesis import strategies as st

from hwqat.errors import HwqatError
from hwqat.fixed import Fixed, Rounding, from_real, smallest_integer_bits
from hwqat.graph import Graph, Tensor, verify
from hwqat.ops import Concat, Conv2d, Flatten, Folding, Geometry, Input, Linear, MaxPool, Op, Output, Requant, SumPool
from hwqat.passes import Plan, make_plan

#: Cycles a node may take for one frame with the folding it is given; bounds the time of a simulation.
MAX_CYCLES = 500
#: Frames of each case: all lo, all hi, a mix of the two, uniform.
FRAMES = 4
#: Elements of a tensor, and of a layer's weights, at most.
MAX_ELEMENTS, MAX_WEIGHTS = 400, 1200
#: Nodes before the outputs are added.
MAX_STEPS = 7
MODULES = ("stem", "stages.0.0", "stages.0.1", "stages.1.0", "stages.1.1.downsample", "head", "")
WEIGHT_BITS = (8, 4, 2, 1, *range(1, 17))
OUT_BITS = (8, 4, 2, 1, 8, 16, 32, *range(1, 33))
FACTOR_BITS = (16, 32, 8, 18, 4, 2, 1, *range(1, 33))


@dataclass(frozen=True, eq=False)
class Case:
    """A verified graph, a legal folding for each of its nodes, and frames for each of its inputs."""

    graph: Graph
    foldings: dict[str, Folding]
    inputs: list[np.ndarray]

    @cached_property
    def plan(self) -> Plan:
        return make_plan(self.graph, foldings=self.foldings)

    @cached_property
    def expected(self) -> list[np.ndarray]:
        """Golden integers, one array (N, H, W, C) for each output."""
        out = self.graph.run(*self.inputs)
        return list(out) if isinstance(out, tuple) else [out]

    def __repr__(self) -> str:
        """What Hypothesis prints for a failure: the graph, node by node."""
        return "\n".join(
            f"{n.name}{n.inputs}: {n.out.shape} {n.out.lo}..{n.out.hi} {n.attributes()} {self.foldings[n.name]}"
            for n in self.graph.nodes
        )


def random_case(seed: int) -> Case:
    """The case of a seed."""
    return _Maker(Random(seed), f"case{seed}").case()


@st.composite
def cases(draw) -> Case:
    """Hypothesis strategy; every draw goes through Hypothesis, so failures shrink."""
    return _Maker(draw(st.randoms(use_true_random=False)), "case").case()


class _Maker:
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

    def case(self) -> Case:
        for _ in range(2 if self.chance(10) else 1):
            self.input()
        steps = self.rng.randint(1, MAX_STEPS)
        while len(self.nodes) < steps + 1:
            self.step()
        if all(node.op in ("input", "flatten") for node in self.nodes):
            self.requant([self.nodes[-1].out])  # a network has at least one stage
        self.outputs()
        graph = verify(Graph(self.name, tuple(self.nodes)))
        foldings = {node.name: self.folding(node, graph.ins(node)) for node in graph.nodes}
        return Case(graph, foldings, [self.values[node.name] for node in graph.of("input")])

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
        return [node.out for node in self.nodes if node.op != "output" and node.name not in read]

    def step(self) -> None:
        x = self.source()
        op = self.pick(
            (
                "requant",
                "conv",
                "conv",
                "conv",
                "requant",
                "max_pool",
                "sum_pool",
                "concat",
                "join",
                "block",
                "block",
                "vector",
            )
        )
        {
            "requant": lambda: self.requant([x]),
            "conv": lambda: self.conv(x),
            "max_pool": lambda: self.pool(MaxPool, x),
            "sum_pool": lambda: self.pool(SumPool, x),
            "concat": lambda: self.concat(x),
            "join": lambda: self.join(x),
            "block": lambda: self.block(x),
            "vector": lambda: self.vector(x),
        }[op]()

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

    def weights(self, bits: int, shape) -> np.ndarray:
        top = max(1, (1 << (bits - 1)) - 1)
        weight = self.array(-top, top, shape)
        return np.where(weight < 0, -1, 1) if bits == 1 else weight

    def conv(
        self, x: Tensor, *, same: bool = False, channels: int | None = None, geometry: Geometry | None = None
    ) -> Tensor | None:
        geometry = geometry or self.geometry(x, same=same)
        out = channels or self.pick((1, 2, 3, 4, 6, 8))
        kind = self.pick(("dense", "depthwise", "grouped"))
        groups = 1
        if kind == "depthwise" and channels in (None, x.channels):
            groups = out = x.channels
        elif kind == "grouped":
            groups = self.pick([g for g in range(1, x.channels + 1) if x.channels % g == 0])
            out = out if out % groups == 0 else groups * self.pick((1, 2)) if channels is None else out
            groups = groups if out % groups == 0 else 1
        shape = (out, *geometry.kernel, x.channels // groups)
        if np.prod(shape) > MAX_WEIGHTS:
            return None
        bits = self.pick(WEIGHT_BITS)
        pad = self.pad_value(x)
        for width in (bits, 1):  # one bit where more would overflow the accumulator
            node = self.add(
                Conv2d,
                x,
                self.weights(width, shape),
                weight_bits=width,
                geometry=geometry,
                groups=groups,
                pad_value=pad,
            )
            if node:
                return node.out
        return None

    def pool(self, cls, x: Tensor) -> None:
        whole = self.chance(40)
        geometry = Geometry(x.shape[:2]) if whole else self.geometry(x)
        extra = {"pad_value": self.pad_value(x)} if cls is SumPool and not whole else {}
        self.add(cls, x, geometry, **extra)

    def vector(self, x: Tensor) -> None:
        """Flatten and linear; on a vector linear alone."""
        if x.shape[:2] != (1, 1) or self.chance(10):
            node = self.add(Flatten, x) if x.size <= 96 else None
            if not node or self.chance(30):
                return
            x = node.out
        bits = self.pick(WEIGHT_BITS)
        outs = self.pick((1, 2, 3, 5, 10))
        if outs * x.channels <= MAX_WEIGHTS:
            self.add(Linear, x, self.weights(bits, (outs, x.channels)), weight_bits=bits)

    def concat(self, x: Tensor) -> None:
        alike = lambda t: (t.shape[:2], t.scale, t.zero_point)  # noqa: E731
        others = [n.out for n in self.nodes if alike(n.out) == alike(x)][::-1]
        self.add(Concat, [x, *(self.pick(others) for _ in range(self.pick((1, 1, 2))))])

    def join(self, x: Tensor) -> None:
        """Two tensors of one shape, which may be one tensor twice."""
        others = [n.out for n in self.nodes if n.out.shape == x.shape][::-1]
        self.requant([x, self.pick(others)])

    def block(self, x: Tensor) -> None:
        """A residual block: a convolution on one branch or on both, requantised or not, joined."""
        stride = self.pick(((1, 1), (1, 1), (2, 2), (2, 1)))
        main = self.conv(x, channels=x.channels, geometry=self.geometry(x, same=True, stride=stride))
        if main and self.chance(40):
            main = self.requant([main])
        side = x
        if stride != (1, 1) or self.chance(30):
            side = self.conv(x, channels=x.channels, geometry=Geometry((1, 1), stride))
            if side and self.chance(50):
                side = self.requant([side])
        if main and side and main.shape == side.shape:
            self.requant([main, side] if not self.chance(50) else [side, main])

    def requant(self, xs: list[Tensor]) -> Tensor:
        for _ in range(20):
            low, high = self.range(self.pick(OUT_BITS))
            node = self.add(
                Requant,
                xs,
                **self.constants(xs, low, high),
                lo=low,
                hi=high,
                rounding=self.pick(list(Rounding)[2:] + list(Rounding)[:2]),
                **self.container(low, high, 32),
            )
            if node:
                return node.out
        one = Fixed(2, 2)
        node = self.add(Requant, xs, [[1]] * len(xs), [0], factor_forms=[one] * len(xs), bias_form=one, lo=-128, hi=127)
        assert node, "an identity requantise is always legal"
        return node.out

    def constants(self, xs: list[Tensor], low: int, high: int) -> dict:
        """M and B that bring most sums near ``low..high``, where clamping and rounding both matter."""
        channels = xs[0].channels
        span = max(1, high - low, abs(low), abs(high))
        columns = 1 if self.chance(30) else channels
        rows, forms = [], []
        for x in xs:
            form, row = self.constant(span / max(1, int(np.abs(self.values[x.name]).max())), columns)
            rows.append(row), forms.append(form)
        form, bias = self.constant(span / 2, 1 if self.chance(30) else channels)
        return {"factors": np.stack(rows), "factor_forms": forms, "bias": bias, "bias_form": form}

    def constant(self, size: float, count: int) -> tuple[Fixed, np.ndarray]:
        """A format and raw constants of about ``size``."""
        style = self.pick(("ties", "scaled", "scaled", "extreme", "wild"))
        width = self.pick(FACTOR_BITS)
        signed = not self.chance(10)
        size *= 2.0 ** self.pick((0, -1, 1, -2, 2))
        if style == "ties":  # few fractional bits, so that sums fall on halves
            form = Fixed(width, width - self.pick((1, 2, 3, 0, -1, -3)), signed)
            top = min(form.hi, max(1, int(np.ldexp(size, form.frac))))
            return form, self.array(max(form.lo, -top), top, count)
        integer = smallest_integer_bits([size], width, signed) + self.pick((0, 0, 0, 1, 2, -1))
        form = Fixed(width, integer, signed)
        if style == "scaled":
            values = np.random.default_rng(self.rng.randint(0, 2**31)).uniform(-1.0 if signed else 0.0, 1.0, count)
            return form, from_real(values * size, form)[0]
        if style == "wild":
            form = Fixed(width, self.rng.randint(-12, 24), signed)
        return form, self.array(form.lo, form.hi, count)

    def outputs(self) -> None:
        """Whatever nothing reads leaves the accelerator, and sometimes more."""
        ends = self.unread()
        ends += [
            n.out for n in self.nodes if n.op != "input" and n.out not in ends and n.out.bits <= 32 and self.chance(8)
        ]
        for end in ends:
            if end.bits > 32:
                end = self.requant([end])
            assert self.add(Output, end)

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
