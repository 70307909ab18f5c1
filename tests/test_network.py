"""A network of stages is held to its rules: each rule is broken once, and the sentence names what and where."""

import re
from dataclasses import replace

import numpy as np
import pytest
from drawing import random_case
from networks import resnet20_graph

from hwqat.errors import HwqatError
from hwqat.graph import Graph, verify
from hwqat.ops import Conv2d, Folding, Input, Output
from hwqat.passes import Target, make_plan
from hwqat.passes.network import build_network
from hwqat.passes.verification import verify_network


@pytest.fixture(scope="module")
def network():
    return make_plan(resnet20_graph(size=8), Target(dsp=60), size=lambda network: network).network


def test_random_networks_obey():
    for seed in range(60):
        case = random_case(seed)
        verify_network(build_network(case.graph, case.foldings))


def changed(network, what: str, name: str, **changes):
    """The network with one of its stages, streams, inputs or outputs changed."""
    things = tuple(replace(t, **changes) if t.name == name else t for t in getattr(network, what))
    assert things != getattr(network, what)
    return replace(network, **{what: things})


def first(network, kind: str):
    return next(stage for stage in network.stages if stage.kind == kind)


def cases(network):
    """(sentence, broken network)."""
    mvu, fork, requant = (first(network, kind) for kind in ("mvu", "fork", "requant"))
    stream = network.stream(mvu.outputs[0])
    yield (
        rf"stage '{mvu.name}' \(mvu, of node '{mvu.node}'\): elements of output 0 must be .*lanes={mvu.pe + 1}.* not ",
        changed(network, "stages", mvu.name, pe=mvu.pe + 1),
    )
    yield (
        rf"stage '{mvu.name}' .*: beats of a frame at input 0 must be {2 * mvu.beats[0][0]}, not {mvu.beats[0][0]}",
        changed(network, "stages", mvu.name, pixels=2 * mvu.pixels),
    )
    yield (
        rf"stage '{fork.name}' .*: its number of outputs must be {fork.readers + 1}, not {fork.readers}",
        changed(network, "stages", fork.name, readers=fork.readers + 1),
    )
    yield (
        rf"stage '{requant.name}' .*: out_bits must be at most 32, not 33",
        changed(network, "stages", requant.name, out_bits=33),
    )
    yield (
        rf"stream '{stream.name}': its writer must be 'nobody_else' alone, not \['{mvu.name}'\]",
        changed(network, "streams", stream.name, source="nobody_else"),
    )
    yield (
        rf"stream '{fork.outputs[0]}': its writer must be '{fork.name}' alone, not \['{fork.name}', '{fork.name}'\]",
        changed(network, "stages", fork.name, outputs=(fork.outputs[0],) * 2),
    )
    yield (
        rf"stream '{stream.name}' .*: its depth must be at least 2 and what is needed \(5\), .* not 4",
        changed(network, "streams", stream.name, depth=4, min_depth=5),
    )
    yield (
        rf"stage '{mvu.name}': its place must be behind '.*', which it reads, not in front",
        replace(network, stages=(mvu, *(stage for stage in network.stages if stage is not mvu))),
    )
    port = network.inputs[0]
    yield (
        rf"port '{port.name}' of node '{port.node}': elements and beats must be those of stream '{port.stream}'",
        changed(network, "inputs", port.name, beats=port.beats + 1),
    )
    yield (
        rf"port '{port.name}' needs 8192 bits of TDATA for {port.elements.lanes} elements a beat, more than 4096; ask for",
        changed(network, "inputs", port.name, tdata=8192),
    )
    yield (
        rf"stage '{mvu.name}': its name must be unique, not that of 2",
        replace(network, stages=(*network.stages, mvu)),
    )


def test_each_rule_is_told(network):
    verify_network(network)
    for sentence, broken in cases(network):
        with pytest.raises(HwqatError) as error:
            verify_network(broken)
        assert re.search(sentence, str(error.value)), (sentence, str(error.value))


def test_a_word_that_is_too_wide():
    """The plan refuses what no ap_uint carries: 300 slots of 16 bits in TDATA, 600 elements of 8 bits in a beat."""
    x = Input.make("x", (1, 1, 300), lo=-256, hi=255, scale=1.0)
    graph = verify(Graph("wide", (x, Output.make("y", x.out))))
    with pytest.raises(
        HwqatError, match="port 's_axis' needs 8192 bits of TDATA for 300 elements a beat, more than 4096;"
    ):
        make_plan(graph, foldings={"x": Folding(300), "y": Folding(300)})
    x = Input.make("x", (1, 1, 600), lo=-128, hi=127, scale=1.0)
    c = Conv2d.make("c", x.out, np.ones((600, 1, 1, 600)), weight_bits=2)
    graph = verify(Graph("wide", (x, c, Output.make("y", c.out))))
    with pytest.raises(
        HwqatError, match=r"stream 'x_in_x600' .* carries 600 x 8 = 4800 bits a beat, more than the 4096 "
    ):
        make_plan(graph, foldings={"x": Folding(1), "c": Folding(1, 600), "y": Folding(1)})
