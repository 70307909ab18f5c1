"""The front after a short quantisation-aware training, which recovers more for some choices than for others."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from ..restore import quantised
from ..runs import Run
from ..runs.rebuild import rebuild_float
from ..train import fit, qat_config
from .evaluate import Evaluator, Score
from .space import Choice, Space

#: Choices of the front that are trained, at most.
MOST = 4


@dataclass(frozen=True)
class Tuned:
    """accuracy: of the validation split, percent; folder: the RUN."""

    choice: Choice
    accuracy: float
    folder: Path


def best_of_front(space: Space, within: list[tuple[Choice, Score]], most: int = MOST) -> list[Choice]:
    """Choices that no other beats in both loss and weight memory, those of least loss first."""
    found: list[Choice] = []
    least = float("inf")
    for choice, score in sorted(dict(within).items(), key=lambda pair: (space.memory(pair[0]), pair[1].loss)):
        if score.loss < least:
            least = score.loss
            found.append(choice)
    return found[::-1][:most]


def finetune(
    evaluator: Evaluator, space: Space, choices: list[Choice], epochs: int, out: Path, command: str = ""
) -> list[Tuned]:
    """Train each choice from the run's weights, by the run's recipe over so many epochs; best first.

    Finished and unfinished ones are kept in ``out`` and go on there. The validation split is held out here; if the run
    itself was trained on it (use_validation), accuracies are flattering, but alike for all.
    """
    dataset, found = evaluator.dataset, []
    for choice in choices:
        scheme = space.scheme(evaluator.scheme, choice).to_dict()
        folder = out / hashlib.blake2b(json.dumps(scheme, sort_keys=True).encode(), digest_size=6).hexdigest()
        begun = evaluator.variants.run
        recipe = qat_config(begun.data).with_changes(**begun.config)
        recipe = recipe.with_changes(
            epochs=epochs, warmup=min(recipe.warmup, epochs / 10), use_validation=False, distill=0.0
        )
        run = Run(begun.net, begun.data, {}, recipe.seed, 0, net_kwargs=begun.net_kwargs, command=command)
        model = quantised(rebuild_float(evaluator.variants.contents), space.scheme(evaluator.scheme, choice), dataset)
        found.append(Tuned(choice, fit(model, dataset, recipe, folder, run=run).valid_accuracy, folder))
    return sorted(found, key=lambda tuned: (-tuned.accuracy, space.memory(tuned.choice)))
