"""Accuracy of the networks that ship, in golden integers over all test images, beside float and the published drops.

    python benchmarks/accuracy.py [--data-dir .data] [--limit N] [--only GLOB]

"float" is the control: the float network, trained on for as many epochs by the same recipe without quantisers.
A network that ships from several seeds is one row, their mean. "differ" counts the images for which some logit of
PyTorch's eval() is not golden's. The last line is one JSON object: rows, one for each file in the zoo.
"""

from __future__ import annotations

import argparse
import json
from fnmatch import fnmatchcase

import torch
from timing import table

from hwqat import zoo
from hwqat.errors import HwqatError
from hwqat.progress import bar
from hwqat.restore import load_data, restore, to_frames, to_graph

#: Published drops in points of DoReFa, PACT and modified PACT at their best, by network and bits.
PUBLISHED = {
    "toynet": {8: 0.18, 6: 0.78},
    "resnet20": {8: 0.52, 6: 0.32, 4: 0.58},
    "mobilenetv2": {8: 0.30, 6: 0.45, 4: 0.83},
}
#: Bits of a network whose layers have different ones.
MIXED = "mixed"
#: The quantiser of weights that comes first of several with as many bits.
FIRST = "lsq-mse"
BATCH = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", default=".data")
    parser.add_argument("--limit", type=int, help="test images at most")
    parser.add_argument("--only", default="*", metavar="GLOB", help="of the networks in the zoo")
    args = parser.parse_args()
    rows = [measure(name, args.data_dir, args.limit) for name in zoo.names() if fnmatchcase(name, args.only)]
    print(
        table(
            (
                "",
                "width",
                "data",
                "bits",
                "weights",
                "activations",
                "kbit",
                "seeds",
                "images",
                "float",
                "integers",
                "drop",
                "published",
                "differ",
            ),
            [cells([row for row in rows if order(row) == place]) for place in sorted({order(row) for row in rows})],
        )
    )
    print(json.dumps({"rows": rows}))


def order(row: dict) -> tuple:
    """The same for all seeds: by network, from wide to narrow, from many bits to few, mixed ones behind; then quantisers."""
    bits = (1, 0) if row["bits"] == MIXED else (0, -row["bits"])
    return row["network"], -row["width"], *bits, row["weights"] != FIRST, row["weights"], row["activations"]


def cells(rows: list[dict]) -> tuple[str, ...]:
    """A row of the table: the mean of a network's seeds. weights, activations: quantisers; kbit: memory of the weights."""
    floating, golden = (sum(row[key] for row in rows) / len(rows) for key in ("float", "golden"))
    first = rows[0]
    published = PUBLISHED.get(first["network"], {}).get(first["bits"]) if first["width"] == 1 else None
    return (
        first["network"],
        f"{first['width']:g}",
        first["data"],
        str(first["bits"]),
        first["weights"],
        first["activations"],
        f"{first['weight_bits'] / 1000:,.0f}",
        str(len(rows)),
        str(first["images"]),
        f"{floating:.2f}",
        f"{golden:.2f}",
        f"{floating - golden:.2f}",
        "" if published is None else f"{published:.2f}",
        str(sum(row["differ"] for row in rows)),
    )


def measure(name: str, data_dir: str | None, limit: int | None) -> dict:
    """One network through golden and through eval()."""
    card = zoo.card(name)
    model, run = restore(zoo.find(f"zoo:{name}"))
    dataset, graph = load_data(run, data_dir), to_graph(model, run)
    split = dataset.test.first(limit)
    right = same = differ = 0
    with bar(len(split), "image", name) as progress:
        for index in torch.arange(len(split)).split(BATCH):
            part = split.take(index)
            golden = graph.run(to_frames(part)).reshape(len(part), -1)
            (ours,) = model.integers(part.images)
            evaluated = ours.numpy().reshape(golden.shape)
            right += int((golden.argmax(1) == part.labels.numpy()).sum())
            same += int((evaluated.argmax(1) == part.labels.numpy()).sum())
            differ += int((evaluated != golden).any(1).sum())
            progress.update(len(part))
    golden = 100 * right / len(split)
    mixed = any("weight_bits" in layer for layer in card["scheme"]["layers"].values())
    bits = MIXED if mixed else card["scheme"]["weight_bits"]
    if limit is None and abs(golden - card["integer_accuracy"]) > 1e-9:
        raise HwqatError(f"{name} reaches {golden:.2f} %, but its card says {card['integer_accuracy']:.2f} %")
    return {
        "name": name,
        "network": card["net"],
        "data": card["data"],
        "bits": bits,
        "seed": card["seed"],
        "weights": card["scheme"]["weights"],
        "activations": card["scheme"]["activations"],
        "width": run.net_kwargs.get("width", 1),
        "weight_bits": sum(node.weight_bits_total() for node in graph.nodes),
        "images": len(split),
        "float": card.get("control_accuracy") or card["float_accuracy"],
        "eval": 100 * same / len(split),
        "golden": golden,
        "differ": differ,
    }


if __name__ == "__main__":
    main()
