"""Every weight and activation quantiser trains DigitNet from the same float network, for equally many epochs.

    python benchmarks/quantisers.py                        some minutes on two cores
    python benchmarks/quantisers.py --out FOLDER           keeps the float network and finished runs, and goes on there

Weights at 8, 4 and 2 bits with the default activations of 8 bits; activations at 8 and 4 bits with the default
weights of 8 bits. First and last layer keep 8 bits. Accuracy of the final epoch on the test set, in integers.
Prints the tables of docs/results.md in Markdown, and one JSON object on the last line:
{images, float, epochs, rows: [{kind, quantiser, weight_bits, act_bits, accuracy}]}.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

from hwqat import data
from hwqat.progress import bar
from hwqat.quant import Scheme
from hwqat.quant.activations import ACT_QUANTISERS
from hwqat.quant.weights import WEIGHT_QUANTISERS
from hwqat.restore import quantised, restore_float
from hwqat.runs import Run, load_card
from hwqat.train import default_config, fit, qat_config, train_float

NET, DATA = "digitnet", "digits"
WEIGHT_BITS = (8, 4, 2)
ACT_BITS = (8, 4)
EPOCHS = 3


@dataclass(frozen=True)
class Case:
    """One training. kind: which quantiser is under test, "weights" or "activations"."""

    kind: str
    quantiser: str
    bits: int

    def scheme(self) -> Scheme:
        width = "weight_bits" if self.kind == "weights" else "act_bits"
        return Scheme(**{self.kind: self.quantiser, width: self.bits})

    def row(self, accuracy: float) -> dict:
        scheme = self.scheme()
        return {
            "kind": self.kind,
            "quantiser": self.quantiser,
            "weight_bits": scheme.weight_bits,
            "act_bits": scheme.act_bits,
            "accuracy": accuracy,
        }


def cases() -> list[Case]:
    weights = [Case("weights", name, bits) for name in WEIGHT_QUANTISERS for bits in WEIGHT_BITS]
    return weights + [Case("activations", name, bits) for name in ACT_QUANTISERS for bits in ACT_BITS]


def start(folder: Path) -> Path:
    """The float network that all begin with, trained unless it is there."""
    torch.set_num_threads(1)
    train_float(NET, DATA, folder / "float", default_config(DATA), progress=False)
    return folder / "float"


def train(case: Case, begin: Path, out: Path, epochs: int = EPOCHS) -> float:
    """Accuracy of ``case`` after ``epochs`` of training from the float run ``begin``; kept in ``out``."""
    torch.set_num_threads(1)
    model, card = restore_float(begin)
    dataset = data.load(card.data)
    run = Run(card.net, card.data, {}, 0, 0)
    model = quantised(model, case.scheme(), dataset)
    config = qat_config(card.data).with_changes(epochs=epochs)
    return fit(
        model, dataset, config, out / f"{case.kind}-{case.quantiser}-{case.bits}", run=run, progress=False
    ).test_accuracy


def measure(folder: Path, begin: Path | None, epochs: int, jobs: int) -> dict:
    """Train all cases, ``jobs`` at a time."""
    begin = begin if begin is not None else start(folder)
    reached: dict[Case, float] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool, bar(len(cases()), "network") as progress:
        running = {pool.submit(train, case, begin, folder, epochs): case for case in cases()}
        for future in as_completed(running):
            reached[running[future]] = future.result()
            progress.update()
    return {
        "images": len(data.load(DATA).test),
        "float": load_card(begin).accuracy["test"],
        "epochs": epochs,
        "rows": [case.row(reached[case]) for case in cases()],
    }


def markdown(result: dict) -> str:
    """Two tables: a line for each quantiser, a column for each width."""
    lines = [
        f"DigitNet: float {result['float']:.2f} %; {result['epochs']} epochs from it; {result['images']} test images."
    ]
    for kind, widths in (("weights", WEIGHT_BITS), ("activations", ACT_BITS)):
        rows = [row for row in result["rows"] if row["kind"] == kind]
        lines += [
            "",
            f"| {kind} | " + " | ".join(f"{bits} bits" for bits in widths) + " |",
            "|---|" + "---:|" * len(widths),
        ]
        for name in dict.fromkeys(row["quantiser"] for row in rows):
            cells = [f"{row['accuracy']:.2f}" for row in rows if row["quantiser"] == name]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep the runs here (default: nowhere)")
    parser.add_argument("--float", type=Path, dest="begin", metavar="RUN", help="a float run to begin with")
    parser.add_argument("--epochs", type=int, default=EPOCHS, metavar="N", help=f"of each training (default {EPOCHS})")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), metavar="N", help="trainings at a time (default: cores)"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        result = measure(args.out or Path(scratch), args.begin, args.epochs, args.jobs)
    print(markdown(result))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
