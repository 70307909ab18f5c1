"""What each method for few bits gives, alone and together, on a network at few bits: an ablation.

    python benchmarks/lowbit.py RUN --bits 3 [--data-dir .data] [--images 15000] [--epochs 3] [--seeds 1] [--only GLOB] [--out FOLDER]

Every row trains the float network of RUN with quantisers on the same images for as many epochs; the first row is the plain
recipe, "without" rows take something from it, the others add one method each, the last row has those of --together.
Accuracy is that of the final epoch on the validation images, in integers, mean over the seeds: a RUN that was trained on
them too flatters all rows alike. Runs are kept in --out, where an interrupted table goes on.
Prints a table and one JSON object on the last line: {network, bits, images, epochs, float, rows: [{row, accuracy, gain, deviation, ms}]}.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from fnmatch import fnmatchcase
from pathlib import Path

from timing import table

from hwqat import data, zoo
from hwqat.quant import Scheme
from hwqat.restore import float_weights, quantised
from hwqat.runs import Run
from hwqat.train import TrainConfig, accuracy, fit

SCHEME = {"weights": "lsq-mse", "activations": "lsq", "rescale": "16", "relu6_as_relu": True}
TRAIN = {"lr": 0.02, "warmup": 0.2, "weight_decay": 1e-4, "label_smoothing": 0.05, "precision": "bfloat16",
         "channels_last": True, "compile": True, "valid_every": 1000}  # fmt: skip
#: A row: what it changes in the scheme, and in the training; "start": bits of a training of half the length before.
METHODS: dict[str, tuple[dict, dict]] = {
    "plain": ({}, {}),
    "without MSE start": ({"weights": "lsq"}, {}),
    "from twice the bits": ({}, {"start": 2}),
    "steps by Adam": ({}, {"scale_adam": 1e-5}),
    "distillation": ({}, {"distill": 0.5}),
    "channel steps": ({"per_channel": True}, {}),
    "depthwise steps": ({"depthwise_per_channel": True}, {}),
    "offsets": ({"activations": "lsq-offset"}, {}),
    "residual stream of 8 bits": ({"residual_bits": 8}, {}),
    "branch as accumulator": ({"branch": "accumulator"}, {}),
    "flips frozen": ({}, {"freeze_flips": 0.01}),
    "flips dampened": ({}, {"dampen": 1e-2}),
    "batch norm anew": ({}, {"reestimate_bn": True}),
    "batch norm frozen": ({}, {"freeze_bn": 0.34}),
}


def run(begin: str, bits: int, row: str, seed: int, args, folder: Path) -> tuple[float, float]:
    """(accuracy on the validation images, ms a step) of one training."""
    model, card = float_weights(zoo.find(begin))
    dataset = data.load(card.data, args.data_dir)
    dataset = dataclasses.replace(dataset, train=dataset.train.first(args.images), test=dataset.valid.first(0))
    scheme, train = {}, {}
    for name in args.together.split(",") if row == "together" else [row]:
        scheme, train = scheme | METHODS[name][0], train | METHODS[name][1]
    epochs = args.epochs
    teacher = None
    if train.get("distill"):
        teacher, _ = float_weights(zoo.find(begin))
    if before := train.pop("start", None):
        half = max(1, epochs // 2)
        model = _fit(
            model,
            dataset,
            card,
            scheme,
            before * bits,
            train | {"epochs": half, "seed": seed},
            teacher,
            folder / f"{row}-{seed}-before",
        )
        epochs -= half
    start = time.process_time()
    trained = _fit(
        model,
        dataset,
        card,
        scheme,
        bits,
        train | {"epochs": epochs, "seed": seed},
        teacher,
        folder / f"{row}-{seed}",
        keep=False,
    )
    steps = epochs * (len(dataset.train) // 128)
    return accuracy(trained, dataset.valid, dataset.grid), 1000 * (time.process_time() - start) / steps


def _fit(model, dataset, card, scheme: dict, bits: int, train: dict, teacher, out: Path, keep: bool = True):
    """The quantised network after training, or (keep) the float network with its weights."""
    scheme = Scheme.from_dict(SCHEME | {"weight_bits": bits, "act_bits": bits} | scheme)
    made = quantised(model, scheme, dataset)
    run = Run(
        net=card.net,
        net_kwargs=card.net_kwargs,
        data=card.data,
        config={},
        seed=0,
        epochs_done=0,
        scheme=scheme.to_dict(),
    )
    fit(made, dataset, TrainConfig(**(TRAIN | train)), out, run=run, teacher=teacher, progress=False)
    return float_weights(out)[0] if keep else made


def measure(args, folder: Path) -> dict:
    model, card = float_weights(zoo.find(args.run))
    dataset = data.load(card.data, args.data_dir)
    names = [name for name in METHODS if name == "plain" or fnmatchcase(name, args.only)] + (
        ["together"] if args.together else []
    )
    kept, rows = folder / "rows.json", []
    found = json.loads(kept.read_text()) if kept.is_file() else {}
    for name in names:
        for seed in range(args.seeds):
            key = f"{name} {seed} {args.together if name == 'together' else ''}".strip()
            if key not in found:
                found[key] = run(args.run, args.bits, name, seed, args, folder)
                kept.write_text(json.dumps(found))
                print(f"{name:<28} seed {seed}: {found[key][0]:.2f} %, {found[key][1]:.0f} ms a step", flush=True)
        each = [
            found[f"{name} {seed} {args.together if name == 'together' else ''}".strip()] for seed in range(args.seeds)
        ]
        reached = statistics.mean(value for value, _ in each)
        spread = statistics.stdev(value for value, _ in each) if len(each) > 1 else 0.0
        rows.append(
            {"row": name, "accuracy": reached, "deviation": spread, "ms": statistics.mean(ms for _, ms in each)}
        )
    for row in rows:
        row["gain"] = row["accuracy"] - rows[0]["accuracy"]
    return {"network": card.net, "bits": args.bits, "images": args.images, "epochs": args.epochs, "seeds": args.seeds,
            "float": accuracy(model, dataset.valid, dataset.grid), "rows": rows}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", help="a float RUN, or one whose float weights are taken; zoo:NAME too")
    parser.add_argument("--bits", type=int, default=3)
    parser.add_argument("--images", type=int, default=15_000, help="of the training split")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="*", metavar="GLOB", help="of the rows")
    parser.add_argument("--together", default="", metavar="A,B", help="a last row with these")
    parser.add_argument("--data-dir", default=".data")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep the runs here (default: nowhere)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        result = measure(args, folder)
    print(
        f"{result['network']}, {args.bits} bits, {args.epochs} epochs of {args.images} images: float {result['float']:.2f} %"
    )
    cells = [
        (r["row"], f"{r['accuracy']:.2f}", f"{r['gain']:+.2f}", f"{r['deviation']:.2f}", f"{r['ms']:.0f}")
        for r in result["rows"]
    ]
    print(table(("", "accuracy", "gain", "deviation", "ms a step"), cells))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
