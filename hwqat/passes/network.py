"""Graph + folding -> stages and streams: the dataflow network that both back ends write out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import gcd, lcm

from ..graph import Graph, Tensor
from ..naming import INPUT, OUTPUT, port_names
from ..ops import Folding, Op
from ..stages import Elements, Fork, Stage, Width

#: Bits that an element may take in TDATA.
SLOTS = (8, 16, 32)
#: Why a FIFO holds two beats.
DECOUPLES = "decouples two stages"


@dataclass(frozen=True)
class Stream:
    """A channel between two stages.

    Attributes:
        name: a C identifier; tensor: the graph tensor whose elements it carries.
        elements: of a beat; beats: of one frame.
        source, sink: stage names, or the name of the port at either end.
        depth: beats its FIFO holds, at least 2; why: the reason for that depth, for a comment.
        min_depth: the least that keeps the rate and cannot lock up, before rounding.
    """

    name: str
    tensor: str
    elements: Elements
    beats: int
    source: str = ""
    sink: str = ""
    depth: int = 2
    min_depth: int = 2
    why: str = DECOUPLES


@dataclass(frozen=True)
class Port:
    """An AXI4-Stream port of the top.

    Attributes:
        name: ``s_axis`` / ``m_axis``, with ``_0``, ``_1``, ... where there are several.
        node: the input or output node; stream: the stream behind it.
        slot: bits an element takes in TDATA (8, 16 or 32, sign- or zero-extended; element 0 lowest).
        tdata: bits of TDATA, a power of two of bytes.
        beats: of one frame; TLAST is on the last.
    """

    name: str
    node: str
    stream: str
    elements: Elements
    slot: int
    tdata: int
    beats: int


@dataclass(frozen=True)
class Network:
    """Stages in dataflow order (producers first), their streams, and the ports.

    bursts: whether C++ must keep the rate, too, whose loops work in bursts that FIFOs even out.
    """

    stages: tuple[Stage, ...]
    streams: tuple[Stream, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    bursts: bool = True

    @property
    def cycles(self) -> int:
        """Of a frame, in the slowest stage (or port: an input may go straight to an output)."""
        return max([stage.cycles for stage in self.stages] + [port.beats for port in (*self.inputs, *self.outputs)])

    @cached_property
    def _named(self) -> tuple[dict[str, Stream], dict[str, Stage]]:
        return {s.name: s for s in self.streams}, {s.name: s for s in self.stages}

    def stream(self, name: str) -> Stream:
        return self._named[0][name]

    def stage(self, name: str) -> Stage:
        return self._named[1][name]


def build_network(graph: Graph, foldings: dict[str, Folding], bursts: bool = True) -> Network:
    """Lay out the stages of a verified graph; every FIFO still has its default depth. bursts: see `Network`."""
    builder = Builder(graph, foldings)
    for node in graph.nodes:
        builder.start(node)
        node.build(builder, foldings[node.name])
    return replace(builder.finish(), bursts=bursts)


def conversions(have: int, want: int, size: int, pace: int) -> tuple[int, ...]:
    """Lanes after each width converter on the way from ``have`` to ``want`` lanes of ``size`` elements a frame.

    A converter needs that one number divides the other. Where neither does, two go through the greatest
    common divisor, or, if that many beats are more than ``pace`` cycles, through the least common multiple.
    """
    if have == want:
        return ()
    if have % want == 0 or want % have == 0:
        return (want,)
    narrow = gcd(have, want)
    return (narrow if size // narrow <= pace else lcm(have, want)), want


@dataclass
class Builder:
    """What `Op.build` talks to: ``read`` an input, ``add`` a stage, ``write`` the output."""

    graph: Graph
    foldings: dict[str, Folding]
    stages: list[Stage] = field(default_factory=list)
    streams: dict[str, Stream] = field(default_factory=dict)
    waiting: dict[str, list[str]] = field(default_factory=dict)  # tensor -> streams not yet read
    root: dict[str, str] = field(default_factory=dict)  # tensor -> the tensor whose stream it shares
    ports_in: list[Port] = field(default_factory=list)
    ports_out: list[Port] = field(default_factory=list)
    node: Op = field(init=False)  # whose stages are being laid out

    def start(self, node: Op) -> None:
        self.node = node

    def tensor(self, name: str) -> Tensor:
        return self.graph.tensor(name)

    def read(self, tensor: str, lanes: int) -> str:
        """The stream of a tensor, in beats of ``lanes`` elements: one is taken for each reader."""
        name = self.waiting[self.root[tensor]].pop(0)
        for step in conversions(self.streams[name].elements.lanes, lanes, self.tensor(tensor).size, self.pace):
            name = self._convert(name, step)
        return name

    @cached_property
    def pace(self) -> int:
        """Cycles of the slowest node."""
        return max(node.cycles(self.graph.ins(node), self.foldings[node.name]) for node in self.graph.nodes)

    def _convert(self, source: str, lanes: int) -> str:
        stream = self.streams[source]
        have, elements = stream.elements, replace(stream.elements, lanes=lanes)
        size = stream.beats * have.lanes
        stage = Width(
            name=f"{source}_to_{lanes}",
            node=self.node.name,
            module=self.node.module,
            tensor=stream.tensor,
            size=size,
            lanes_in=have.lanes,
            lanes_out=lanes,
            bits=have.bits,
            signed=have.signed,
        )
        return self._attach(stage, (source,), [Stream(f"{source}_x{lanes}", stream.tensor, elements, size // lanes)])[0]

    def add(self, stage: Stage, inputs: tuple[str, ...]) -> str:
        """Append a stage with one output, whose stream is named after the stage."""
        (elements,), (_, (beats,)) = stage.outs, stage.beats
        return self._attach(stage, inputs, [Stream(f"{stage.name}_out", stage.tensor, elements, beats)])[0]

    def _attach(self, stage: Stage, inputs, outputs: list[Stream]) -> list[str]:
        for name in inputs:
            self.streams[name] = replace(self.streams[name], sink=stage.name)
        for stream in outputs:
            self.streams[stream.name] = replace(stream, source=stage.name)
        names = [stream.name for stream in outputs]
        self.stages.append(replace(stage, inputs=tuple(inputs), outputs=tuple(names)))
        return names

    def write(self, node: Op, stream: str) -> None:
        """The node's tensor leaves by ``stream``; a fork is added where several nodes read it."""
        self.root[node.name] = node.name
        readers = self._readers(node.name)
        if readers > 1:
            one = self.streams[stream]
            fork = Fork(
                name=f"{node.name}_fork",
                node=node.name,
                module=node.module,
                tensor=one.tensor,
                elements=one.elements,
                readers=readers,
                frame_beats=one.beats,
            )
            copies = [replace(one, name=f"{node.name}_copy{i}") for i in range(readers)]
            self.waiting[node.name] = self._attach(fork, (stream,), copies)
        else:
            self.waiting[node.name] = [stream]

    def alias(self, node: Op) -> None:
        """The node's tensor is its input's stream, read otherwise."""
        self.root[node.name] = self.root[node.inputs[0]]

    def _readers(self, name: str) -> int:
        users = self.graph.consumers[name]
        return sum(self._readers(user.name) if user.alias else 1 for user in users)

    def source(self, node: Op, lanes: int) -> None:
        out = node.out
        elements = Elements(lanes, out.bits, out.signed)
        stream = Stream(f"{node.name}_in", node.name, elements, out.size // lanes)
        port = _port(INPUT, self.graph.of("input"), node, stream)
        self.streams[stream.name] = replace(stream, source=port.name)
        self.ports_in.append(port)
        self.write(node, stream.name)

    def sink(self, node: Op, stream: str) -> None:
        port = _port(OUTPUT, self.graph.of("output"), node, self.streams[stream])
        self.streams[stream] = replace(self.streams[stream], sink=port.name)
        self.ports_out.append(port)

    def finish(self) -> Network:
        return Network(tuple(self.stages), tuple(self.streams.values()), tuple(self.ports_in), tuple(self.ports_out))


def _port(prefix: str, nodes, node: Op, stream: Stream) -> Port:
    name = port_names(prefix, len(nodes))[nodes.index(node)]
    slot = next(s for s in SLOTS if stream.elements.bits <= s)
    tdata = 1 << (slot * stream.elements.lanes - 1).bit_length()
    return Port(name, node.name, stream.name, stream.elements, slot, max(8, tdata), stream.beats)
