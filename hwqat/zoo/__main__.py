"""``python -m hwqat.zoo RUN NAME``: put a trained RUN into the zoo, with its card."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from hwqat import data
from hwqat.commands.evaluate import graph_accuracy
from hwqat.errors import HwqatError
from hwqat.restore import restore, to_graph
from hwqat.runs import CARD as RUN_CARD
from hwqat.runs import MODEL, load_card
from hwqat.zoo import CARD, HOME


def add(run: Path, name: str, data_dir: str | None = None) -> dict:
    """Copy what an entry needs and write its card; the accuracy is golden's, over all test images."""
    card, floating = load_card(run), load_card(run / "float")
    dataset = data.load(card.data, data_dir)
    graph = to_graph(*restore(run, dataset), dataset)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=HOME).stdout.strip()
    made = {
        "net": card.net, "data": card.data, "seed": card.seed, "scheme": card.scheme,
        "float_recipe": floating.config, "recipe": card.config, "float_accuracy": floating.accuracy["test"],
        "eval_accuracy": card.accuracy["test"], "integer_accuracy": graph_accuracy(graph, dataset.test),
        "test_images": len(dataset.test), "commit": commit,
    }  # fmt: skip
    (HOME / name / "float").mkdir(parents=True, exist_ok=True)
    for file in (RUN_CARD, MODEL, f"float/{RUN_CARD}"):
        shutil.copyfile(run / file, HOME / name / file)
    (HOME / name / CARD).write_text(json.dumps(made, indent=1) + "\n")
    return made


if __name__ == "__main__":
    try:
        print(json.dumps(add(Path(sys.argv[1]), sys.argv[2], *sys.argv[3:4])))
    except (HwqatError, IndexError) as error:
        sys.exit(f"{__doc__}\n{error}")
