"""What the open RTL takes and how fast it is, without a vendor tool: `python benchmarks/synth.py`.

Every number of a row is from one plan: the estimate that `hwqat export` prints, and what Yosys and nextpnr make of
the RTL it writes. DigitNet is the shipped one; the larger networks have their real shapes and random constants, which
their resources hardly depend on: layers of one shape have the same, so that Yosys counts each shape once.

    ResNet20     one frame every 2**15 cycles on UltraScale+: DSPs, LUTs and FFs of every stage, summed
    MobileNetV2  likewise
    DigitNet     placed and routed on a Lattice ECP5-85K, the fastest of some placements
    ToyNet       likewise
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from networks import mobilenetv2_graph, resnet20_graph, toynet_graph
from timing import table

from hwqat.backends import rtl
from hwqat.graph_io import load_graph
from hwqat.passes import Plan, Target, make_plan
from hwqat.passes.report import plan_json
from hwqat.synth import SynthResult, run_synth, synth_json, synth_table

CYCLES = 2**15
#: MACs per DSP and cycle, DSPs and MHz that a network must reach.
MACS_PER_DSP = {"resnet20": 1.86, "mobilenetv2": 1.7}
MOST_DSPS = {"resnet20": 660}
LEAST_MHZ = {"digitnet": 100}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = "resnet20, mobilenetv2, digitnet, toynet"
    parser.add_argument("networks", nargs="*", default=[], metavar="NETWORK", help=f"of {names} (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="placements on ECP5 (default: 3)")
    parser.add_argument("--jobs", type=int, help="processes at a time (default: half the processors)")
    args = parser.parse_args()
    plans = {
        "resnet20": large(resnet20_graph),
        "mobilenetv2": large(mobilenetv2_graph),
        "digitnet": digitnet,
        "toynet": lambda: make_plan(toynet_graph(), Target("ecp5-85k", clock_mhz=100, dsp=98)),
    }
    found, rows = {}, []
    for name in args.networks or plans:
        plan = plans[name]()
        result = synthesise(plan, args.seeds, args.jobs)
        print(f"{name}\n{synth_table(result)}\n")
        found[name] = summary(plan, result)
        rows.append((name, result.target, f"{plan.cycles:,}", *figures(found[name])))
    head = (
        "",
        "target",
        "cycles",
        "DSP",
        "LUT",
        "LUT plan",
        "FF",
        "FF plan",
        "BRAM",
        "MACs/DSP/cycle",
        "worst layer",
        "Fmax, MHz",
    )
    print(table(head, rows))
    missed = [f"{name}: {what}" for name in found for what in failed(name, found[name])]
    print("".join(f"MISSED: {what}\n" for what in missed), end="")
    print(json.dumps(found))
    raise SystemExit(bool(missed))


def failed(name: str, row: dict) -> list[str]:
    """The bars that a network misses: on UltraScale+ the estimates' errors, rate, DSPs; on ECP5 the clock."""
    off, judged = {kind: abs(row["plan"][kind] / row[kind] - 1) for kind in ("lut", "ff")}, row["target"] == "xcup"
    bars = {
        "LUTs and FFs within 15 % of the plan": not judged or max(off.values()) <= 0.15,
        "those of every layer of over 1,000 LUTs within 25 %": not judged or (row["worst_layer_error"] or 0) <= 0.25,
        "multipliers of every stage are those of the plan": not row["unlike_dsp"],
        "MACs per DSP and cycle": row["macs_per_dsp_and_cycle"] >= MACS_PER_DSP.get(name, 0),
        "DSPs": row["dsp"] <= MOST_DSPS.get(name, row["dsp"]),
        "Fmax": (row["fmax_mhz"] or 0) >= LEAST_MHZ.get(name, 0),
    }
    return [what for what, reached in bars.items() if not reached]


def large(graph):
    return lambda: make_plan(graph(alike=True), Target("xcup", clock_mhz=200, fps=200e6 / CYCLES))


def digitnet() -> Plan:
    """The shipped network; its graph is made as `hwqat export` makes it."""
    from hwqat.cli import main as hwqat

    with tempfile.TemporaryDirectory() as folder:
        if hwqat(["export", "zoo:digitnet-int8", "--rescale", "16", "--out", f"{folder}/build", "--vectors", "1"]):
            raise SystemExit("DigitNet could not be exported")
        graph = load_graph(f"{folder}/build")
    return make_plan(graph, Target("ecp5-85k", clock_mhz=100, dsp=80))


def synthesise(plan: Plan, seeds: int, jobs: int | None) -> SynthResult:
    """Through a BUILD folder that holds only what synthesis reads."""
    with tempfile.TemporaryDirectory() as folder:
        build = Path(folder)
        for name, text in {f"rtl/{n}": t for n, t in (rtl.library_files() | rtl.render(plan)).items()}.items():
            (build / name).parent.mkdir(exist_ok=True)
            (build / name).write_text(text)
        (build / "report").mkdir()
        (build / "report/plan.json").write_text(json.dumps(plan_json(plan)))
        return run_synth(build, seeds=seeds, jobs=jobs, progress=True)


def summary(plan: Plan, result: SynthResult) -> dict:
    """JSON of one network. worst_layer: largest error of an estimate of LUTs or FFs, of stages with over 1,000 LUTs."""
    errors = {}
    for row in result.rows:
        if row.counted.lut > 1000 and row.planned is not None and row.kind != "fifo":
            errors[row.name] = max(abs(row.planned.lut / row.counted.lut - 1), abs(row.planned.ff / row.counted.ff - 1))
    worst = max(errors, key=errors.get, default=None)
    found = synth_json(result)
    return {
        key: found[key]
        for key in ("target", "dsp", "lut", "ff", "bram", "fmax_mhz", "fmax_by_seed", "plan", "utilisation")
    } | {
        "cycles": plan.cycles,
        "macs": plan.macs,
        "macs_per_dsp_and_cycle": plan.macs / plan.cycles / result.total.dsp,
        "worst_layer": worst,
        "worst_layer_error": errors.get(worst),
        "unlike_dsp": [
            row.name for row in result.rows if row.planned is not None and row.planned.dsp != row.counted.dsp
        ],
    }


def figures(found: dict) -> tuple[str, ...]:
    plan, fmax = found["plan"], sorted((found["fmax_by_seed"] or {}).values())
    worst = "" if found["worst_layer"] is None else f"{found['worst_layer']} {100 * found['worst_layer_error']:.0f} %"
    counts = (found["dsp"], found["lut"], plan["lut"], found["ff"], plan["ff"], found["bram"])
    return (
        *(f"{n:,}" for n in counts),
        f"{found['macs_per_dsp_and_cycle']:.2f}",
        worst,
        ", ".join(f"{mhz:.1f}" for mhz in fmax),
    )


if __name__ == "__main__":
    main()
