"""Every kind of stage in RTL against golden, with chosen foldings, in all four stall modes, in one build."""

import numpy as np
import pytest

from hwqat.fixed import Fixed, Rounding
from hwqat.graph import Graph, verify
from hwqat.ops import Concat, Conv2d, Flatten, Folding, Geometry, Input, Linear, MaxPool, Output, Pad, Requant, SumPool
from hwqat.passes import Target, make_plan
from hwqat.sim.generated.cosim import MODES, run_many

CASES = {}
FRAMES = 3


def case(build):
    """Register a function that returns (nodes without outputs, foldings); its name is the case's."""
    CASES[build.__name__] = build
    return build


def image(shape, lo=-8, hi=7, name="x"):
    return Input.make(name, shape, lo=lo, hi=hi, scale=1.0)


def conv(x, out, geometry, groups=1, bits=4, seed=0, **more):
    top = 1 if bits == 1 else (1 << (bits - 1)) - 1
    rng = np.random.default_rng(seed)
    shape = (out, *geometry.kernel, x.channels // groups)
    weight = rng.choice([-1, 1], shape) if bits == 1 else rng.integers(-top, top, shape, endpoint=True)
    return Conv2d.make(more.pop("name", "c"), x, weight, weight_bits=bits, geometry=geometry, groups=groups, **more)


def network(nodes, foldings=None, outputs=None, device="xcup"):
    """Graph and plan; every node that nothing reads becomes an output. Foldings not given are (1, 1, 1)."""
    read = {name for node in nodes for name in node.inputs}
    ends = outputs or [node for node in nodes if node.name not in read]
    nodes = [*nodes, *(Output.make(f"y{i}", node.out) for i, node in enumerate(ends))]
    graph = verify(Graph("t", tuple(nodes)))
    return make_plan(graph, Target(device), {node.name: Folding() for node in nodes} | (foldings or {}))


@case
def dense_3x3_serial():
    x = image((5, 6, 4))
    return network([x, c := conv(x.out, 6, Geometry((3, 3), padding=(1, 1, 1, 1)))], {c.name: Folding(2, 2, 1)})


@case
def dense_3x3_parallel():
    x = image((5, 6, 4))
    return network([x, c := conv(x.out, 6, Geometry((3, 3), padding=(1, 1, 1, 1)))], {c.name: Folding(3, 2, 9)})


@case
def dense_strided_serial():
    x = image((7, 5, 2))
    return network([x, c := conv(x.out, 3, Geometry((3, 3), (2, 3), padding=(1, 0, 2, 1)))], {c.name: Folding(3, 2, 1)})


@case
def dense_strided_parallel():
    x = image((7, 5, 2))
    return network([x, c := conv(x.out, 3, Geometry((3, 3), (2, 3), padding=(1, 0, 2, 1)))], {c.name: Folding(1, 2, 9)})


@case
def dense_dilated_serial():
    x = image((6, 7, 2))
    return network(
        [x, c := conv(x.out, 2, Geometry((3, 2), dilation=(2, 3), padding=(3, 1, 2, 2)))], {c.name: Folding(2, 1, 1)}
    )


@case
def dense_dilated_parallel():
    x = image((6, 7, 2))
    return network(
        [x, c := conv(x.out, 2, Geometry((3, 2), dilation=(2, 3), padding=(3, 1, 2, 2)))], {c.name: Folding(2, 1, 6)}
    )


@case
def dense_strided_rows():
    x = image((7, 5, 2))
    return network([x, c := conv(x.out, 3, Geometry((3, 3), (2, 3), padding=(1, 0, 2, 1)))], {c.name: Folding(1, 1, 3)})


@case
def dense_dilated_rows():
    x = image((6, 7, 4))
    return network(
        [x, c := conv(x.out, 2, Geometry((3, 2), dilation=(2, 3), padding=(3, 1, 2, 2)))], {c.name: Folding(2, 2, 2)}
    )


@case
def narrow_image_rows():
    """Less wide than there are banks."""
    x = image((5, 2, 2))
    return network([x, c := conv(x.out, 2, Geometry((2, 3), padding=(1, 1, 0, 1)))], {c.name: Folding(2, 1, 3)})


@case
def grouped_rows():
    x = image((4, 4, 8))
    return network(
        [x, c := conv(x.out, 4, Geometry((3, 3), padding=(1, 1, 1, 1)), groups=2)], {c.name: Folding(1, 2, 3)}
    )


@case
def depthwise_rows():
    x = image((5, 4, 6))
    return network(
        [x, c := conv(x.out, 6, Geometry((3, 3), (1, 2), padding=(1, 1, 1, 1)), groups=6)], {c.name: Folding(2, 2, 3)}
    )


@case
def row_kernel_parallel():
    x = image((4, 9, 1))
    return network([x, c := conv(x.out, 2, Geometry((1, 5), (1, 2), padding=(0, 4, 0, 3)))], {c.name: Folding(2, 1, 5)})


@case
def column_kernel_parallel():
    x = image((9, 3, 2))
    return network([x, c := conv(x.out, 2, Geometry((4, 1), padding=(3, 0, 0, 0)))], {c.name: Folding(1, 2, 4)})


def nothing_but_padding(taps):
    """No tap ever meets the image, and still no beat may leave before its frame has begun."""
    x = image((1, 3, 2))
    return network(
        [x, c := conv(x.out, 2, Geometry((2, 1), dilation=(2, 1), padding=(1, 0, 1, 0)))], {c.name: Folding(2, 2, taps)}
    )


CASES["nothing_but_padding_serial"] = lambda: nothing_but_padding(1)
CASES["nothing_but_padding_parallel"] = lambda: nothing_but_padding(2)


@case
def grouped_serial():
    x = image((4, 4, 6))
    return network(
        [x, c := conv(x.out, 4, Geometry((3, 3), padding=(1, 1, 1, 1)), groups=2)], {c.name: Folding(1, 3, 1)}
    )


@case
def grouped_parallel():
    x = image((4, 4, 6))
    return network(
        [x, c := conv(x.out, 4, Geometry((3, 3), padding=(1, 1, 1, 1)), groups=2)], {c.name: Folding(2, 1, 9)}
    )


@case
def depthwise_serial():
    x = image((5, 4, 6))
    return network(
        [x, c := conv(x.out, 6, Geometry((3, 3), padding=(1, 1, 1, 1)), groups=6)], {c.name: Folding(2, 2, 1)}
    )


@case
def depthwise_parallel():
    x = image((5, 4, 6))
    return network(
        [x, c := conv(x.out, 6, Geometry((3, 3), (2, 1), padding=(1, 1, 1, 1)), groups=6)], {c.name: Folding(3, 3, 9)}
    )


@case
def pointwise():
    x = image((4, 5, 6), 0, 15)
    return network([x, c := conv(x.out, 4, Geometry((1, 1)))], {c.name: Folding(2, 3, 1)})


@case
def pointwise_strided():
    x = image((5, 5, 3))
    return network([x, c := conv(x.out, 4, Geometry((1, 1), (2, 2)))], {c.name: Folding(4, 3, 1)})


@case
def one_pixel_image():
    x = image((1, 1, 3))
    return network([x, c := conv(x.out, 4, Geometry((3, 3), padding=(1, 1, 1, 1)))], {c.name: Folding(2, 3, 9)})


@case
def one_pixel_image_serial():
    x = image((1, 1, 2))
    return network([x, c := conv(x.out, 2, Geometry((3, 3), padding=(1, 1, 1, 1)))], {c.name: Folding(1, 1, 1)})


@case
def depthwise_row_serial():
    x = image((4, 9, 2))
    return network(
        [x, c := conv(x.out, 2, Geometry((1, 3), padding=(0, 1, 0, 1)), groups=2)], {c.name: Folding(1, 1, 1)}
    )


@case
def three_products_in_a_multiplier():
    x = image((3, 4, 2), -16, 15)  # 5 bits and 5 bits
    return network([x, c := conv(x.out, 6, Geometry((2, 2)), bits=5)], {c.name: Folding(6, 2, 4)})


@case
def one_bit_weights():
    x = image((3, 3, 4), -128, 127)
    return network([x, c := conv(x.out, 4, Geometry((2, 2)), bits=1)], {c.name: Folding(4, 2, 4)})


@case
def one_bit_weights_unsigned_input():
    x = image((3, 3, 4), 0, 1)
    return network([x, c := conv(x.out, 2, Geometry((2, 2), padding=(1, 1, 0, 0)), bits=1)], {c.name: Folding(1, 4, 1)})


@case
def sixteen_bit_weights_padded_with_a_value():
    x = image((3, 4, 1), -2048, 2047)
    return network(
        [x, c := conv(x.out, 3, Geometry((3, 3), padding=(1, 1, 1, 1)), bits=16, pad_value=-5)],
        {c.name: Folding(3, 1, 9)},
    )


@case
def concat_and_pool_of_roomy_containers():
    """Containers wider than their numbers need: the output's are narrower."""
    a = Input.make("a", (2, 2, 2), lo=0, hi=3, bits=9, signed=True, scale=1.0)
    b = Input.make("b", (2, 2, 2), lo=-2, hi=1, bits=12, scale=1.0)
    k = Concat.make("k", [a.out, b.out])
    return network([a, b, k, p := SumPool.make("p", b.out, Geometry((2, 2)))], {"k": Folding(1, 1)}, outputs=[k, p])


@case
def linear():
    x = image((2, 3, 2))
    f = Flatten.make("f", x.out)
    weight = np.random.default_rng(1).integers(-7, 8, (6, 12))
    return network([x, f, n := Linear.make("n", f.out, weight, weight_bits=4)], {n.name: Folding(3, 4)})


@case
def max_pool_serial():
    x = image((6, 5, 4))
    return network(
        [x, p := MaxPool.make("p", x.out, Geometry((3, 2), (2, 2), padding=(1, 1, 1, 0)))], {p.name: Folding(2, 2, 1)}
    )


@case
def max_pool_parallel_unsigned():
    x = image((6, 5, 4), 0, 255)
    return network(
        [x, p := MaxPool.make("p", x.out, Geometry((3, 3), (1, 2), padding=(1, 1, 1, 1)))], {p.name: Folding(4, 4, 9)}
    )


@case
def sum_pool_parallel():
    x = image((6, 6, 2), 0, 15)
    return network([x, p := SumPool.make("p", x.out, Geometry((2, 2), (2, 2)))], {p.name: Folding(1, 1, 4)})


@case
def sum_pool_serial_padded():
    x = image((5, 6, 2))
    return network(
        [x, p := SumPool.make("p", x.out, Geometry((3, 2), (2, 1), padding=(1, 0, 1, 1)))], {p.name: Folding(1, 1, 1)}
    )


@case
def sum_pool_global():
    x = image((4, 3, 6))
    return network([x, p := SumPool.make("p", x.out, Geometry((4, 3)))], {p.name: Folding(2, 2, 1)})


@case
def max_pool_global_one_group():
    x = image((4, 3, 2))
    return network([x, p := MaxPool.make("p", x.out, Geometry((4, 3)))], {p.name: Folding(2, 2, 1)})


def requant(mode, lo=-100, hi=100):
    """All sums from -2**11 to 2**11 - 1 in steps of one half of the last place kept, and factors of both signs."""
    x = image((4, 4, 4), -128, 127)
    r = Requant.make(
        "r",
        [x.out],
        [[3, -5, 1, 2]],
        [1, 0, -3, 7],
        factor_forms=[Fixed(4, 2)],
        bias_form=Fixed(5, 2),
        lo=lo,
        hi=hi,
        rounding=mode,
    )
    return network([x, r], {r.name: Folding(2, 2)})


for _mode in Rounding:
    CASES[f"requant_{_mode.name.lower()}"] = lambda mode=_mode: requant(mode)


def requant_join(folding):
    """Two inputs of unlike width, sign and format."""
    a, b = image((3, 3, 4), -2000, 2000, "a"), image((3, 3, 4), 0, 15, "b")
    r = Requant.make(
        "r",
        [a.out, b.out],
        [[3, 9, -2, 1], [100, -100, 7, 0]],
        [5, -5, 0, 1],
        factor_forms=[Fixed(8, 0), Fixed(9, 4)],
        bias_form=Fixed(10, 6),
        lo=0,
        hi=63,
        rounding=Rounding.RND_CONV,
    )
    return network([a, b, r], {r.name: folding})


CASES["requant_join_at_once"] = lambda: requant_join(Folding(4, 4, inputs=2))
CASES["requant_join_in_turn"] = lambda: requant_join(Folding(2, 2, 1))
CASES["requant_join_in_luts"] = lambda: requant_join(Folding(4, 4, inputs=2, luts=True))
CASES["requant_join_in_turn_in_luts"] = lambda: requant_join(Folding(1, 1, luts=True))


@case
def requant_per_tensor():
    x = image((3, 3, 6))
    r = Requant.make("r", [x.out], [[3]], [2], factor_forms=[Fixed(3, 1)], bias_form=Fixed(4, 2), lo=-9, hi=9)
    return network([x, r], {r.name: Folding(3, 3)})


def requant_in_pieces(device, signed, shared, luts=False):
    """Operands too long for one multiplier block, at the ends of their ranges too, cut as the target's blocks are."""
    a = image((3, 3, 4), -(2**28) if signed else 0, 2**28 - 1, "a")
    b = image((3, 3, 4), -(2**17), 2**17 - 1, "b")
    top = 2**31 - 1
    r = Requant.make(
        "r",
        [a.out, b.out],
        [[top, -top - 1, 2**17, -(2**17) - 1], [top, 1, -1, -top]],
        [5, -5, 0, 1],
        factor_forms=[Fixed(32, -20), Fixed(32, -9)],
        bias_form=Fixed(10, 6),
        lo=-127,
        hi=127,
    )
    return network([a, b, r], {r.name: Folding(2, 2, inputs=1 if shared else 2, luts=luts)}, device=device)


CASES |= {
    f"requant_in_luts_{signed}_{shared}": lambda s=signed, t=shared: requant_in_pieces("xcup", s, t, luts=True)
    for signed, shared in ((True, False), (False, True))
}
CASES |= {
    f"requant_in_pieces_{device}_{signed}_{shared}": lambda d=device, s=signed, t=shared: requant_in_pieces(d, s, t)
    for device, signed, shared in (
        ("xcup", True, False),
        ("xcup", False, True),
        ("ecp5-85k", True, True),
        ("ecp5-85k", False, False),
    )
}


@case
def requant_without_fraction():
    x = image((2, 2, 2))
    r = Requant.make("r", [x.out], [[3, -2]], [1, -1], factor_forms=[Fixed(3, 5)], bias_form=Fixed(4, 6), lo=-70, hi=70)
    return network([x, r], {r.name: Folding(1, 1)})


@case
def requant_all_fraction():
    x = image((2, 2, 2))
    r = Requant.make(
        "r",
        [x.out],
        [[127, -128]],
        [1, -1],
        factor_forms=[Fixed(8, -20)],
        bias_form=Fixed(8, -3),
        lo=-7,
        hi=7,
        rounding=Rounding.TRN,
    )
    return network([x, r], {r.name: Folding(2, 2)})


@case
def concat_mixed_signs():
    a, b, c = image((3, 2, 4), -8, 7, "a"), image((3, 2, 2), 0, 255, "b"), image((3, 2, 6), 0, 1, "c")
    return network([a, b, c, k := Concat.make("k", [a.out, b.out, c.out])], {k.name: Folding(2, 2)})


@case
def forks_and_several_outputs():
    x = image((4, 4, 2))
    a = conv(x.out, 2, Geometry((3, 3), padding=(1, 1, 1, 1)), name="a")
    b = conv(x.out, 4, Geometry((1, 1)), name="b")
    p = MaxPool.make("p", x.out, Geometry((2, 2), (2, 2)))
    return network([x, a, b, p], {"a": Folding(2, 2, 9), "b": Folding(2, 1, 1)}, outputs=[a, x, b, p])


def same_tensor_twice(at_once):
    x = image((3, 3, 2))
    r = Requant.make(
        "r",
        [x.out, x.out],
        [[1, 1], [1, 3]],
        [0, 0],
        factor_forms=[Fixed(4, 4)] * 2,
        bias_form=Fixed(4, 4),
        lo=-64,
        hi=64,
    )
    return network([x, r], {"r": Folding(2, 2, inputs=at_once)})


CASES["same_tensor_twice_at_once"] = lambda: same_tensor_twice(2)
CASES["same_tensor_twice_in_turn"] = lambda: same_tensor_twice(1)


@case
def widths_that_do_not_divide():
    x = image((2, 3, 6))
    r = Requant.make("r", [x.out], [[1]], [0], factor_forms=[Fixed(4, 4)], bias_form=Fixed(4, 4), lo=-8, hi=7)
    return network([x, r], {"x": Folding(2, 1), "r": Folding(3, 3), "y0": Folding(6)})


@case
def padding_waits_for_its_frame():
    """What pads offers nothing of a frame that has not begun; the other output goes on for longer, so that it would show."""
    x = image((3, 4, 2))
    p = Pad.make("p", x.out, (2, 1, 0, 1), pad_value=3)
    return network([x, p, conv(x.out, 3, Geometry((3, 3), padding=(1, 1, 1, 1)))], {"p": Folding(2, 2)})


@pytest.fixture(scope="module")
def plans():
    return {name: build() for name, build in CASES.items()}


@pytest.fixture(scope="module")
def results(plans, tmp_path_factory):
    batch = []
    for plan in plans.values():
        rng = np.random.default_rng(7)
        frames = tuple(
            rng.integers(n.out.lo, n.out.hi, (FRAMES, *n.out.shape), endpoint=True) for n in plan.graph.of("input")
        )
        golden = plan.graph.run(*frames)
        batch.append((plan, frames, golden if isinstance(golden, tuple) else (golden,)))
    return dict(zip(plans, run_many(batch, tmp_path_factory.mktemp("stages"), modes=MODES)))


@pytest.mark.parametrize("name", CASES)
def test_equals_golden_at_the_rate_of_its_work(name, plans, results):
    result = results[name]
    assert result.mismatches == 0, result.first
    # One trip a cycle: nothing is lost between rows, pixels or frames.
    beats = [max(*s.beats[0], *s.beats[1]) if s.kind == "window" else s.cycles for s in plans[name].network.stages]
    assert result.steady_cycles <= max(beats)
