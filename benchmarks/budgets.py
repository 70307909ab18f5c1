"""What a plan makes of any number of DSPs: `python benchmarks/budgets.py`.

For each of thirteen budgets (small parts, boards, and numbers between) the fastest plan on UltraScale+ within it. Its
efficiency is MACs / (budget x cycles): at most 2 with int8, since a DSP48E2 multiplies two weights by one input. Then
what it takes to reach a rate, and to reach a little more than that.

The networks have their real shapes and random constants, which foldings do not depend on. `--depths` sizes the FIFOs
too, and shows how long a whole plan takes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from networks import mobilenetv2_graph, resnet20_graph, toynet_graph
from timing import table
from tqdm import tqdm

from hwqat.errors import HwqatError
from hwqat.passes import Plan, Target, make_plan
from hwqat.passes.depths import size_streams

BUDGETS = (90, 150, 220, 300, 360, 500, 650, 700, 900, 1100, 1248, 1728, 2520)
NETWORKS = {"resnet20": resnet20_graph, "toynet": toynet_graph, "mobilenetv2": mobilenetv2_graph}
#: Cycles of a frame at the rate that ResNet20's record is for: 7,629 frames a second at 250 MHz.
CYCLES = 2**15

#: What a network must reach: mean and least efficiency over the budgets, DSPs at CYCLES, MACs per DSP and cycle there,
#: and DSPs at one cycle less, as a multiple.
BARS = {
    "resnet20": {"mean": 1.75, "least": 1.45, "most_dsp": 648, "most_for_one_cycle_less": 1.4},
    "toynet": {"macs_per_dsp_and_cycle": 1.75},
    "mobilenetv2": {"macs_per_dsp_and_cycle": 1.8},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(NETWORKS)} (default: all)")
    parser.add_argument("--depths", action="store_true", help="size the FIFOs, too, and show the seconds of a plan")
    args = parser.parse_args()
    found = {}
    for name in args.networks or NETWORKS:
        found[name] = measure(name, args.depths)
        print(show(name, found[name]), end="\n\n")
    missed = [f"{name}: {what}" for name in found for what in failed(name, found[name])]
    print("".join(f"MISSED: {what}\n" for what in missed), end="")
    print(json.dumps(found))
    raise SystemExit(bool(missed))


def measure(name: str, depths: bool) -> dict:
    graph = NETWORKS[name](alike=True)
    size = size_streams if depths else (lambda network: network)
    rows = []
    for budget in tqdm(BUDGETS, desc=name, leave=False):
        start = time.perf_counter()
        try:
            plan = make_plan(graph, Target(dsp=budget), size=size)
        except HwqatError:  # too few for the network
            rows.append({"budget": budget, "used": None, "cycles": None, "efficiency": 0.0})
            continue
        rows.append(figures(plan) | {"budget": budget, "seconds": time.perf_counter() - start})
        rows[-1]["efficiency"] = plan.macs / (budget * plan.cycles)
    record, more = (figures(make_plan(graph, Target(fps=200e6 / cycles), size=size)) for cycles in (CYCLES, CYCLES - 1))
    efficiencies = [row["efficiency"] for row in rows]
    return {
        "rows": rows,
        "mean": sum(efficiencies) / len(rows),
        "least": min(efficiencies),
        "at_2_15_cycles": record,
        "at_one_cycle_less": more,
    }


def figures(plan: Plan) -> dict:
    used = plan.resources
    return {
        "used": used.dsp,
        "cycles": plan.cycles,
        "lut": used.lut,
        "bram": used.bram,
        "macs_per_dsp_and_cycle": plan.macs / plan.cycles / used.dsp,
    }


def failed(name: str, found: dict) -> list[str]:
    """The bars that a network misses."""
    bars, record = BARS[name], found["at_2_15_cycles"]
    reached = {
        "mean": found["mean"] >= bars.get("mean", 0),
        "least": found["least"] >= bars.get("least", 0),
        "most_dsp": record["used"] <= bars.get("most_dsp", record["used"]),
        "macs_per_dsp_and_cycle": record["macs_per_dsp_and_cycle"] >= bars.get("macs_per_dsp_and_cycle", 0),
        "most_for_one_cycle_less": found["at_one_cycle_less"]["used"] / record["used"]
        <= bars.get("most_for_one_cycle_less", float("inf")),
    }
    cycles = [row["cycles"] for row in found["rows"] if row["cycles"]]
    monotone = all(a >= b for a, b in zip(cycles, cycles[1:]))
    return [f"{what} {bars[what]}" for what, well in reached.items() if not well] + (
        [] if monotone else ["the rate falls when the budget rises"]
    )


def show(name: str, found: dict) -> str:
    head = (name, "used", "cycles", "LUT", "BRAM", "MACs/(budget x cycles)", *(["s"] if "seconds" in found else []))
    rows = [line(f"{row['budget']:,} DSPs", row) for row in found["rows"]]
    rows += [line(f"{CYCLES:,} cycles", found["at_2_15_cycles"]), line("one less", found["at_one_cycle_less"])]
    seconds = [row["seconds"] for row in found["rows"] if "seconds" in row]
    return (
        f"{table(head, rows)}\nmean {found['mean']:.2f}, least {found['least']:.2f}; "
        f"{max(seconds):.1f} s for the slowest plan, {sum(seconds):.1f} s for all"
    )


def line(what: str, row: dict) -> tuple[str, ...]:
    if row["used"] is None:
        return what, "too few", "", "", "", ""
    numbers = tuple(f"{row[key]:,}" for key in ("used", "cycles", "lut", "bram"))
    return what, *numbers, f"{row.get('efficiency', row['macs_per_dsp_and_cycle']):.2f}"


if __name__ == "__main__":
    main()
