"""ToyNet, ResNet20 and MobileNetV2 in RTL, at one frame per 2**15 cycles on a ZCU102-class device."""

import re

import networks
import numpy as np
import pytest
from test_rtl import lint

from hwqat.export import export
from hwqat.passes import Target, make_plan
from hwqat.sim.generated.cosim import run_cosim
from hwqat.sim.models.cycles import simulate

CYCLES = 2**15
RATE = Target("xcup", clock_mhz=200, fps=200e6 / CYCLES)
FRAMES = 3


@pytest.fixture(scope="module", params=["toynet", "resnet20", "mobilenetv2"])
def network(request, tmp_path_factory):
    plan = make_plan(getattr(networks, f"{request.param}_graph")(), RATE)
    shape = plan.graph.of("input")[0].out.shape
    frames = np.random.default_rng(1).integers(-128, 128, (FRAMES, *shape))
    return plan, export(plan, tmp_path_factory.mktemp("builds") / request.param, (frames,))


@pytest.mark.slow
def test_lints_without_a_warning(network):
    plan, build = network
    assert lint(build / "rtl", plan.top) == ""


@pytest.mark.slow
def test_top_has_no_parameter(network):
    plan, build = network
    top = (build / "rtl" / f"{plan.top}.sv").read_text()
    assert re.search(rf"^module {plan.top} \(", top, re.MULTILINE)
    assert "parameter" not in top


@pytest.mark.slow
def test_logits_are_golden_and_cycles_are_those_of_the_plan(network):
    """Frames back to back, with and without random stalls, at the rate of the slowest stage's products."""
    plan, build = network
    result = run_cosim(build, modes=("none", "both"))
    assert (result.frames, result.mismatches, result.first) == (FRAMES, 0, None)
    predicted = simulate(plan.network, FRAMES)
    assert (result.fill_cycles, result.steady_cycles) == (predicted.fill, predicted.steady)
    assert result.steady_cycles == plan.cycles == CYCLES
    products = {node.name: node.macs(plan.graph.ins(node)) for node in plan.graph.nodes}
    ideal = max(products[s.node] / s.multipliers for s in plan.network.stages if s.kind in ("mvu", "dwu"))
    assert result.steady_cycles <= 1.01 * ideal


@pytest.mark.slow
def test_flipped_bits_in_a_middle_stage_are_traced_to_it(network):
    """In a copy of the simulator's folder, with the same simulator: the first stage that differs is the one with the ROM."""
    plan, build = network
    stage = [s for s in plan.network.stages if s.kind == "mvu"][len(plan.foldings) // 6]
    path = build / "rtl" / f"{plan.core}_{stage.name}_weight.hex"
    text = path.read_text()
    # In every word: what a single weight changes, clamps in the stages behind it may swallow.
    path.write_text("".join(f"{int(line[0], 16) ^ 4:x}{line[1:]}\n" for line in text.splitlines()))
    try:
        result = run_cosim(build, frames=2, modes=("none",))
    finally:
        path.write_text(text)
    assert result.mismatches
    assert result.where.startswith(
        f"frame 0: the first stage that differs is {stage.name} (of {stage.node} in {stage.module}): stream {stage.name}_out"
    )
