"""How long a network takes from the float module to its plan: `python benchmarks/planning.py`.

Seconds of the processor, of all threads, user and system: what a quiet core would take, whatever else the machine
does. Networks have random weights. ResNet20 is planned at the thirteen budgets of `benchmarks/budgets.py`; the others
from PyTorch, at the size that people bring them, for a budget that they fit (and one for speed, `--anyway`).
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import architectures
import architectures_deep
import architectures_more
import torch
from budgets import BUDGETS
from networks import resnet20_graph
from timing import table
from tqdm import tqdm

import hwqat
from hwqat.passes import Target, make_plan
from hwqat.sim.models.cycles import compile_model

#: Seconds that a step may take.
PREPARE, LOWER = 5.0, 20.0


@dataclass(frozen=True)
class Case:
    """A network, the size of its images, DSPs, and the most seconds of its plan."""

    make: Callable[[], torch.nn.Module]
    size: int
    plan: float
    dsp: int = 4000


CASES = {
    "mobilenetv2": Case(architectures.MobileNetV2, 224, 30.0),
    "resnet50": Case(architectures_deep.ResNet50, 224, 60.0),
    "vgg11": Case(lambda: architectures.VGG(11), 224, 60.0),
    "densenet121": Case(architectures_more.DenseNet, 224, 60.0),
    "pnasnet": Case(architectures_deep.PNASNet, 32, 60.0),
    "400 additions": Case(architectures_deep.Chain, 8, 20.0),
    "400 means of the two before": Case(architectures_deep.Additions, 8, 20.0),
    "20 pooled copies": Case(architectures_deep.PooledCopies, 32, 10.0),
}
#: Of ResNet20's plan, at any budget.
RESNET20 = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ["resnet20", *CASES]
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(names)} (default: all)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    compile_model()
    rows = []
    for name in tqdm(args.networks or names, leave=False):
        rows += resnet20() if name == "resnet20" else [measure(name, CASES[name])]
    print(table(("network", "prepare, s", "lower, s", "plan, s", "(wall)", "DSPs", "cycles"), [line(r) for r in rows]))
    missed = [f"{row['network']}: {step} {row[step]:.1f} s, at most {bar:g}" for row in rows for step, bar in over(row)]
    print("".join(f"MISSED: {what}\n" for what in missed), end="")
    print(json.dumps({"rows": rows}))
    raise SystemExit(bool(missed))


def resnet20() -> list[dict]:
    graph = resnet20_graph(alike=True)
    return [planned(f"resnet20, {dsp:,} DSPs", graph, Target(dsp=dsp), RESNET20) for dsp in BUDGETS]


def measure(name: str, case: Case) -> dict:
    torch.manual_seed(0)
    net = case.make().eval()
    images = torch.randint(-128, 128, (2, 3, case.size, case.size), generator=torch.Generator().manual_seed(1)) / 128
    prepare, _, model = timed(lambda: hwqat.prepare(net, hwqat.Scheme(), images).eval())
    lower, _, graph = timed(lambda: hwqat.lower(model))
    target = Target(dsp=case.dsp, anyway=True)
    return planned(name, graph, target, case.plan) | {"prepare": prepare, "lower": lower}


def planned(name: str, graph, target: Target, most: float) -> dict:
    seconds, wall, plan = timed(lambda: make_plan(graph, target))
    return {
        "network": name,
        "plan": seconds,
        "wall": wall,
        "dsp": plan.resources.dsp,
        "cycles": plan.cycles,
        "most": most,
    }


def timed(run: Callable):
    """(seconds of the processor, seconds of the clock, what it gives)."""
    began, start = processor(), time.perf_counter()
    found = run()
    return processor() - began, time.perf_counter() - start, found


def processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def over(row: dict) -> list[tuple[str, float]]:
    """(step, bar) of each step that takes longer than it may."""
    bars = {"prepare": PREPARE, "lower": LOWER, "plan": row["most"]}
    return [(step, bar) for step, bar in bars.items() if row.get(step, 0.0) > bar]


def line(row: dict) -> tuple[str, ...]:
    steps = (f"{row[step]:.1f}" if step in row else "" for step in ("prepare", "lower", "plan", "wall"))
    return row["network"], *steps, f"{row['dsp']:,}", f"{row['cycles']:,}"


if __name__ == "__main__":
    main()
