"""Accuracy of the networks that ship, in golden integers over all test images, beside float and the published drops.

    python benchmarks/accuracy.py [--data-dir .data] [--limit N] [--only GLOB]

"float" is the control: the float network, trained on for as many epochs by the same recipe without quantisers.
"differ" counts the images for which some logit of PyTorch's eval() is not golden's. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from fnmatch import fnmatchcase

import torch
from timing import table

from hwqat import data, zoo
from hwqat.errors import HwqatError
from hwqat.progress import bar
from hwqat.restore import restore, to_frames, to_graph

#: Published drops in points of DoReFa, PACT and modified PACT at their best, by network and bits.
PUBLISHED = {
    "toynet": {8: 0.18, 6: 0.78},
    "resnet20": {8: 0.52, 6: 0.32, 4: 0.58},
    "mobilenetv2": {8: 0.30, 6: 0.45, 4: 0.83},
}
BATCH = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", default=".data")
    parser.add_argument("--limit", type=int, help="test images at most")
    parser.add_argument("--only", default="*", metavar="GLOB", help="of the networks in the zoo")
    args = parser.parse_args()
    rows = [measure(name, args.data_dir, args.limit) for name in zoo.names() if fnmatchcase(name, args.only)]
    rows.sort(key=lambda row: (row["data"], row["net"], -row["bits"]))
    print(table(
        ("", "data", "bits", "images", "float", "integers", "drop", "published", "differ"),
        [(row["net"], row["data"], str(row["bits"]), str(row["images"]), percent(row["float"]), percent(row["integers"]),
          percent(row["drop"]), percent(row["published"]), str(row["differ"])) for row in rows],
    ))  # fmt: skip
    print(json.dumps({row["name"]: {key: row[key] for key in ("images", "float", "integers", "drop", "differ")} for row in rows}))


def measure(name: str, data_dir: str | None, limit: int | None) -> dict:
    """One network through golden and through eval()."""
    card = zoo.card(name)
    dataset = data.load(card["data"], data_dir)
    model, run = restore(zoo.find(f"zoo:{name}"), dataset)
    graph = to_graph(model, run, dataset)
    split = dataset.test.first(limit)
    right = differ = 0
    with bar(len(split), "image", name) as progress:
        for index in torch.arange(len(split)).split(BATCH):
            part = split.take(index)
            golden = graph.run(to_frames(part)).reshape(len(part), -1)
            (ours,) = model.integers(part.images)
            right += int((golden.argmax(1) == part.labels.numpy()).sum())
            differ += int((ours.numpy().reshape(golden.shape) != golden).any(1).sum())
            progress.update(len(part))
    bits, floating = card["scheme"]["weight_bits"], card.get("control_accuracy") or card["float_accuracy"]
    integers = 100 * right / len(split)
    if limit is None and abs(integers - card["integer_accuracy"]) > 1e-9:
        raise HwqatError(f"{name} reaches {integers:.2f} %, but its card says {card['integer_accuracy']:.2f} %")
    return {
        "name": name, "net": card["net"], "data": card["data"], "bits": bits, "images": len(split), "float": floating,
        "integers": integers, "drop": None if limit else floating - integers, "differ": differ,
        "published": PUBLISHED.get(card["net"], {}).get(bits),
    }  # fmt: skip


def percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
