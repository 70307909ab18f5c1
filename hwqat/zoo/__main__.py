"""Put a trained RUN into the zoo, with its card: python -m hwqat.zoo RUN NAME [--float RUN] [--control RUN]."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from hwqat.errors import HwqatError
from hwqat.evaluation import graph_accuracy
from hwqat.restore import load_data, restore, to_graph
from hwqat.runs import CARD as RUN_CARD
from hwqat.runs import Run, load_card
from hwqat.runs.save import keep_codes_alone
from hwqat.train import TrainConfig
from hwqat.zoo import CARD, HOME


def add(
    run: Path, name: str, floating: Path, control: Path | None, data_dir: str | None, as_codes: bool = False
) -> dict:
    """Copy what an entry needs and write its card; the accuracy is golden's, over all test images.

    floating: the float RUN that it began with; control: the float RUN that was trained on from there as long as it.
    as_codes: store no real weights, only their integers and steps.
    """
    card, float_card = _finished(run), _finished(floating)
    model, _ = restore(run)
    dataset = load_data(card, data_dir)
    graph = to_graph(model, card)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=HOME).stdout.strip()
    made = {
        "net": card.net,
        "data": card.data,
        "seed": card.seed,
        "scheme": card.scheme,
        "float_recipe": float_card.config,
        "recipe": card.config,
        "float_accuracy": float_card.accuracy["test"],
        "control_accuracy": None if control is None else _control(control, card).accuracy["test"],
        "eval_accuracy": card.accuracy["test"],
        "integer_accuracy": graph_accuracy(graph, dataset.test),
        "test_images": len(dataset.test),
        "commit": commit,
    }
    (HOME / name / "float").mkdir(parents=True, exist_ok=True)
    for source, file in (*((run, file) for file in (*card.files, RUN_CARD)), (floating, f"float/{RUN_CARD}")):
        shutil.copyfile(source / Path(file).name, HOME / name / file)
    if as_codes:
        keep_codes_alone(HOME / name)
    (HOME / name / CARD).write_text(json.dumps(made, indent=1) + "\n")
    return made


def _finished(folder: Path) -> Run:
    card = load_card(folder)
    if "test" not in card.accuracy:
        raise HwqatError(f"{folder} is not trained to its end; the command that began it goes on")
    return card


def _control(folder: Path, run: Run) -> Run:
    """The control's card; it must have been trained by the very recipe of `run`, without quantisers."""
    control = _finished(folder)
    recipes = [TrainConfig().to_dict() | card.config for card in (control, run)]  # an older version lacks newer keys
    if control.scheme is not None or recipes[0] != recipes[1] or control.net != run.net:
        raise HwqatError(f"{folder} is no float control of this run: it was trained otherwise")
    return control


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m hwqat.zoo", description="put a trained RUN into the zoo")
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "--float", type=Path, dest="floating", metavar="RUN", help="what it began with (default: RUN/float)"
    )
    parser.add_argument("--control", type=Path, metavar="RUN", help="the float network, trained on as long")
    parser.add_argument("--codes", action="store_true", help="store weights as integers alone: a quarter of the size")
    parser.add_argument("--data-dir", metavar="D")
    args = parser.parse_args()
    try:
        made = add(args.run, args.name, args.floating or args.run / "float", args.control, args.data_dir, args.codes)
    except HwqatError as error:
        sys.exit(f"hwqat.zoo: {error}")
    print(json.dumps(made))


if __name__ == "__main__":
    main()
