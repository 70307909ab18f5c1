"""Random graphs: golden == C-simulation == RTL with stalls, cycles as modelled.

    python tests/soak_foldings.py --count 500 --keep FOLDER

takes the first so many seeds that have a folding of the finer kinds; with --any all seeds as they come, of which every
second begins with a transposed convolution or bilinear upsampling. What passed is noted in FOLDER/passed.json, so that a run that
was stopped goes on where it was. Without --keep it begins anew.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from drawing import FRAMES, Case, random_case
from tqdm import tqdm

from hwqat.sim.generated import cosim, csim
from hwqat.sim.models.cycles import simulate

#: Graphs that share one g++ and one Verilator build.
BATCH = 20


def case_of(seed: int, compounds: bool) -> Case:
    """compounds: every second seed begins with one (`drawing.compound`)."""
    return random_case(seed, compounds and seed % 2 == 1)


def kinds(case: Case) -> set[str]:
    """The finer foldings of a case."""
    found = set()
    for node in case.graph.nodes:
        folding, geometry = case.foldings[node.name], getattr(node, "geometry", None)
        if geometry and 1 < folding.taps < geometry.taps:
            found.add("a row of taps")
        if folding.luts:
            found.add("products in LUTs")
    return found


def seeds(first: int = 0) -> Iterator[int]:
    """Those from ``first`` on that have one."""
    return (seed for seed in count(first) if kinds(random_case(seed)))


def check(batch: list[int], folder: Path, compounds: bool = False) -> Counter:
    """Hold the cases of some seeds to golden and to the cycle model; returns how often each kind was there."""
    cases = [case_of(seed, compounds) for seed in batch]
    work = [(case.plan, case.inputs, case.expected) for case in cases]
    for name, run in (("csim", csim.run_many), ("cosim", cosim.run_many)):
        results = run(work, folder / name)
        assert [result.frames for result in results] == [FRAMES] * len(cases)
        wrong = [f"seed {seed}: {result.first}" for seed, result in zip(batch, results) if result.mismatches]
        assert not wrong, f"{name} differs from golden:\n" + "\n".join(wrong)
    for seed, case, result in zip(batch, cases, results):
        timing = simulate(case.plan.network, FRAMES)
        modelled, measured = (timing.fill, timing.steady), (result.fill_cycles, result.steady_cycles)
        assert modelled == measured, (
            f"seed {seed}: fill and steady cycles are {measured} in RTL, {modelled} in the model"
        )
        assert timing.slowest <= case.plan.cycles, f"seed {seed}: {timing.slowest} cycles, planned {case.plan.cycles}"
    return Counter(kind for case in cases for kind in kinds(case))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100, help="graphs (default 100)")
    parser.add_argument("--first", type=int, default=0, help="seed to begin with (default 0)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where what passed is noted, to go on later")
    parser.add_argument("--any", action="store_true", help="graphs of every folding, with compounds")
    args = parser.parse_args()
    note = args.keep / "passed.json" if args.keep else None
    passed = set(json.loads(note.read_text())) if note and note.is_file() else set()
    drawn = count(args.first) if args.any else seeds(args.first)
    chosen = [seed for seed, _ in zip(drawn, range(args.count))]
    left = [seed for seed in chosen if seed not in passed]
    found: Counter = Counter()
    for begin in tqdm(range(0, len(left), BATCH), unit="batch"):
        batch = left[begin : begin + BATCH]
        with tempfile.TemporaryDirectory(prefix="hwqat-soak-") as folder:
            found += check(batch, Path(folder), args.any)
        passed |= set(batch)
        if note:
            args.keep.mkdir(parents=True, exist_ok=True)
            note.write_text(json.dumps(sorted(passed)))
    print(json.dumps({"graphs": len(chosen), "now": len(left), "kinds": found}))


if __name__ == "__main__":
    main()
