"""RTL of the three CIFAR-10 networks at one frame per 2^15 cycles: lint, cycles, DSPs, speed of co-simulation.

    python benchmarks/rtl.py [--networks resnet20 toynet mobilenetv2] [--frames 3] [--speed normal]

Weights are random, constants look calibrated: neither cycles nor resources ask. Every logit is compared with golden,
without stalls and with stalls at both ends. Times are processor time, so that they hold on a busy machine too.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from timing import table

from hwqat.backends import rtl
from hwqat.export import export
from hwqat.passes import Target, make_plan
from hwqat.passes.plan import Plan
from hwqat.sim.generated import verilator
from hwqat.sim.generated.cosim import results
from hwqat.sim.generated.harness import Run, describe, simulate
from hwqat.sim.models import cycles
from hwqat.vectors import read_vectors

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import networks

CLOCK_MHZ, CYCLES = 200, 2**15
BARE = verilator.BENCH / "bare.cpp"
#: Most that cocotb may add to the bare loop, and most seconds of one processor for ResNet20's build and three frames.
COCOTB, BUILD_S = 0.25, 2 * 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["resnet20", "toynet", "mobilenetv2"])
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument(
        "--speed", choices=sorted(verilator.FLAGS), default="normal", help="optimisation of the simulator"
    )
    args = parser.parse_args()
    rows = []
    for name in args.networks:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(name, Path(folder), args.frames, args.speed))
    head = (
        "network",
        "fill",
        "steady",
        "ideal",
        "DSP planned",
        "MACs per DSP and cycle",
        "lint",
        "mismatches",
        "build s",
        "frames/s",
        "bare",
        "cocotb adds",
    )
    print(
        f"fill and steady: predicted, simulated; {args.frames} frames back to back in modes none and both; one processor\n"
    )
    print(
        table(
            head,
            [
                tuple(
                    map(
                        str,
                        (
                            r["network"],
                            f"{r['fill_predicted']:,} {r['fill_cycles']:,}",
                            f"{r['steady_predicted']:,} {r['steady_cycles']:,}",
                            f"{r['ideal']:,}",
                            r["dsp"],
                            f"{r['macs_per_dsp_cycle']:.2f}",
                            "clean" if not r["lint"] else "WARNINGS",
                            r["mismatches"],
                            f"{r['build_s']:.0f}",
                            f"{r['frames_per_s']:.2f}",
                            f"{r['bare_frames_per_s']:.2f}",
                            f"{100 * r['cocotb_adds']:.0f} %",
                        ),
                    )
                )
                for r in rows
            ],
        )
    )
    print(json.dumps({"speed": args.speed, "rows": rows}))
    raise SystemExit(any(failed(r) for r in rows))


def failed(row: dict) -> list[str]:
    """The bars that a network misses."""
    bars = {
        "lint": not row["lint"],
        "logits": row["mismatches"] == 0 and row["bare_differ"] == 0,
        "steady as predicted": row["steady_cycles"] == row["steady_predicted"],
        "fill within 1 % of the prediction": abs(row["fill_cycles"] - row["fill_predicted"])
        <= row["fill_predicted"] / 100,
        "steady at most 1.01 x ideal": row["steady_cycles"] <= 1.01 * row["ideal"],
        "cocotb adds at most 25 %": row["cocotb_adds"] <= COCOTB,
        "ResNet20 builds and runs in ten minutes of two processors": row["network"] != "resnet20"
        or row["build_s"] + row["run_s"] <= BUILD_S,
        "unchanged RTL is not built again": row["again_s"] == 0,
        "ResNet20 in 33,100 cycles": row["network"] != "resnet20" or row["steady_cycles"] <= 33_100,
    }
    missed = [what for what, reached in bars.items() if not reached]
    for what in missed:
        print(f"{row['network']}: MISSED: {what}")
    return missed


def measure(name: str, folder: Path, frames: int, speed: str) -> dict:
    plan = make_plan(getattr(networks, f"{name}_graph")(), Target("xcup", CLOCK_MHZ, CLOCK_MHZ * 1e6 / CYCLES))
    build = folder / name
    shape = plan.graph.of("input")[0].out.shape
    export(plan, build, (np.random.default_rng(1).integers(-128, 128, (frames, *shape)),))
    predicted = cycles.simulate(plan.network, frames)
    lint = linted(build / "rtl", plan.top)
    started, sources, top = spent(), sorted((build / "rtl").glob("*.sv")), plan.top
    simulator = verilator.build(sources, top, folder / "cache", speed=speed, main=BARE)
    build_s, started = spent() - started, spent()
    verilator.build(sources, top, folder / "cache", speed=speed, main=BARE)
    again_s, started = spent() - started, spent()
    facts = json.loads((build / "rtl" / rtl.PORTS).read_text())
    arrays = {
        port["name"]: read_vectors(build, port["name"], port["beats"] * port["lanes"])
        for port in facts["inputs"] + facts["outputs"]
    }
    run = Run([describe(facts, arrays, folder)], simulator, top, build / "rtl", folder, 0.3, ("none", "both"), seed=1)
    found = results(run, *simulate(run))[0]
    run_s = (spent() - started) / len(run.modes)
    bare = run_bare(run)
    return {
        "network": name,
        "dsp": plan.resources.dsp,
        "ideal": ideal(plan),
        "macs": plan.macs,
        "macs_per_dsp_cycle": plan.macs / plan.resources.dsp / found.steady_cycles,
        "fill_predicted": predicted.fill,
        "fill_cycles": found.fill_cycles,
        "steady_predicted": predicted.steady,
        "steady_cycles": found.steady_cycles,
        "lint": lint,
        "frames": frames,
        "mismatches": found.mismatches,
        "build_s": build_s,
        "again_s": again_s,
        "run_s": run_s,
        "frames_per_s": frames / found.cpu_s["none"],
        "bare_frames_per_s": frames / bare["cpu_s"],
        "bare_differ": bare["differ"],
        "cocotb_adds": found.cpu_s["none"] / bare["cpu_s"] - 1,
    }


def spent() -> float:
    """Processor seconds of all child processes so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ideal(plan: Plan) -> int:
    """Cycles of the slowest stage's products: MACs / (PE x SIMD)."""
    work = {node.name: node.macs(plan.graph.ins(node)) for node in plan.graph.nodes}
    return max(-(-work[s.node] // s.multipliers) for s in plan.network.stages if s.kind in ("mvu", "dwu"))


def linted(folder: Path, top: str) -> str:
    """What verilator --lint-only -Wall says; empty when clean."""
    command = [
        verilator.program(),
        "--lint-only",
        "-Wall",
        "--quiet",
        "--top-module",
        top,
        *(p.name for p in sorted(folder.glob("*.sv"))),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=verilator.environment(), cwd=folder)
    return done.stdout + done.stderr


def run_bare(run: Run) -> dict:
    """The same simulator and frames under a bare C++ loop (sim/generated/bench/bare.cpp)."""
    (design,) = run.designs
    arguments = []
    for name, (port,) in (("in", design["inputs"]), ("out", design["outputs"])):
        arguments += [f"+{name}={port['file']}", f"+{name}_bytes={port['bytes']}"]
    done = subprocess.run([run.simulator, *arguments], capture_output=True, text=True, cwd=run.folder)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
