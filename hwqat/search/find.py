"""The whole of a search: from what is asked for to the files in its folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from .. import zoo
from ..answers import Searched
from ..decode import read_json
from ..errors import HwqatError
from ..folders import require_own, tidy, write_whole
from ..passes import Target
from ..shown import table
from ..sweep.points import integers
from ..sweep.runner import fingerprint
from .evaluate import Evaluator
from .explore import best_within, budgets, explore, open_study, require_optuna, sensitivities
from .finetune import best_of_front, finetune
from .output import front_plot, scheme_toml, write_search
from .space import KINDS

SENSITIVITY = "sensitivity.json"
Options = list[list[tuple[int, float]]]


@dataclass(frozen=True)
class Asked:
    """What is asked for, as `hwqat.search` has it; bits as the command line writes them."""

    source: str
    out: str
    average: float | None
    most_dsp: int | None
    most_memory: int | None
    most_cycles: int | None
    weights: str
    acts: str
    constants: str | None
    ends: bool
    images: int
    trials: int
    finetune: int
    storage: str | None
    study: str
    data_dir: str | None


def find(asked: Asked, target: Target) -> tuple[Searched, str]:
    """What `hwqat.search` gives, and the same in words."""
    require_optuna()
    bits = _checked(asked)
    evaluator = Evaluator(str(zoo.find(asked.source)), asked.data_dir, asked.images, target)
    space = evaluator.space(bits["weights"], bits["acts"], asked.ends, bits["constants"])
    budget = _budget(asked, space)
    least = space.memory(space.uniform(space.weight_bits[0]))
    if budget["weight_bits"] < least:
        raise HwqatError(f"the budget of {budget['weight_bits']:,} bits is below the {least:,} of the smallest choices")
    tidy(asked.out)
    require_own(asked.out, (SENSITIVITY,), ("scheme.toml", "search.json", "front.svg"))
    storage = asked.storage or f"sqlite:///{(Path(asked.out) / 'study.db').absolute()}"
    name = f"{asked.study}-{_digest([*_question(evaluator, space, asked), repr(target), budget])}"
    if asked.storage:  # before anything is written
        study = open_study(storage, name)
    Path(asked.out).mkdir(parents=True, exist_ok=True)
    if not asked.storage:
        study = open_study(storage, name)
    alone = _known_sensitivities(Path(asked.out) / SENSITIVITY, evaluator, space, asked)
    uniform = {f"uniform {width}": space.uniform(width) for width in bits["weights"]}
    found = explore(
        evaluator,
        space,
        _first_choices(space, alone, budget, uniform.values()),
        study=study,
        storage=storage,
        trials=asked.trials,
        budget=budget,
    )
    within = [(c, s) for c, s in found if all(s.costs[key] <= most for key, most in budget.items())]
    if not within:
        raise HwqatError(
            f"none of {len(found)} trials stays within the budget ({_words(budget)}); ask for more, or run more trials"
        )
    choice, _ = min(within, key=lambda pair: (pair[1].loss, pair[1].costs["weight_bits"]))
    tuned = []
    if asked.finetune:
        tuned = finetune(evaluator, space, best_of_front(space, within), asked.finetune, Path(asked.out) / "tuned")
        choice = tuned[0].choice
    return _write(asked, evaluator, space, budget, found, uniform, choice, tuned)


def _checked(asked: Asked) -> dict[str, tuple[int, ...]]:
    """The bits that each kind of number may get; whatever else is asked for makes sense."""
    kinds = (("weights", asked.weights, 1, 16), ("acts", asked.acts, 2, 16), ("constants", asked.constants, 2, 32))
    return {kind: tuple(integers(f"--{kind}", text, low, high)) if text else () for kind, text, low, high in kinds}


def _budget(asked, space) -> dict[str, int]:
    """At most so much of each cost."""
    average = 5.0 if asked.average is None else asked.average
    budget = {"weight_bits": int(average * sum(layer.weights for layer in space.layers))}
    others = {"dsp": asked.most_dsp, "memory_bits": asked.most_memory, "cycles": asked.most_cycles}
    return budget | {cost: most for cost, most in others.items() if most is not None}


def _first_choices(space, alone: dict, budget: dict[str, int], uniform) -> list:
    """Where to begin: what the layers' sensitivities, each alone, say for this budget and for others."""
    top = space.uniform(space.weight_bits[-1])
    mixed = best_within(space, "weights", alone["weights"], budget["weight_bits"], top)
    others = [best_within(space, "weights", alone["weights"], memory, top) for memory in budgets(alone["weights"])]
    if space.constant_bits:
        others += [
            best_within(space, "constants", alone["constants"], sum_of, mixed) for sum_of in budgets(alone["constants"])
        ]
    return [mixed, *uniform, *others]


def _write(asked, evaluator, space, budget, found, uniform, choice, tuned) -> tuple[Searched, str]:
    """Write scheme.toml, search.json and front.svg. Returns what search.json has, and the same in words."""
    bits = lambda c: {kind: c.of(kind) for kind in KINDS if kind != "constants" or space.constant_bits}  # noqa: E731
    score = evaluator.score(space, choice, plan=True)
    memory = score.costs["weight_bits"]
    note = f"found by hwqat search within {_words(budget)}: {memory} bits of weights, {score.accuracy:.2f} % of {asked.images} training images"
    points = [{**bits(c), "loss": s.loss, "accuracy": s.accuracy, **s.costs} for c, s in found]
    result = {
        "images": asked.images,
        "layers": [layer.path for layer in space.layers],
        "budget": budget,
        "best": {**bits(choice), "loss": score.loss, "accuracy": score.accuracy, **score.costs},
        "tuned": [{**bits(t.choice), "accuracy": t.accuracy, "run": t.folder.name} for t in tuned],
        "uniform": {name: c.weight_bits for name, c in uniform.items()},
        "points": points,
    }
    scheme = scheme_toml(space.scheme(evaluator.scheme, choice), note)
    write_search(
        asked.out,
        {
            "scheme.toml": scheme,
            "search.json": json.dumps(result, indent=1) + "\n",
            "front.svg": front_plot(space, found, {**uniform, "chosen": choice}) + "\n",
        },
    )
    letters = dict(zip(bits(choice), "wac"))
    words = [
        table(
            [
                (layer.path, " ".join(f"{letters[kind]}{row[i]}" for kind, row in bits(choice).items()))
                for i, layer in enumerate(space.layers)
            ]
        )
    ]
    words += [
        f"after {asked.finetune} epochs: {t.accuracy:.2f} % of the validation images at {space.memory(t.choice)} bits of weights ({t.folder})"
        for t in tuned
    ]
    words += [
        note,
        f"wrote scheme.toml, search.json and front.svg to {asked.out}; go on with 'hwqat train --config {asked.out}/scheme.toml'",
    ]
    return Searched(**result), "\n".join(words)


def _words(budget: dict) -> str:
    return ", ".join(f"{most:,} {cost.replace('_', ' ')}" for cost, most in budget.items())


def _question(evaluator, space, asked) -> list:
    """All that a choice's score depends on."""
    return [
        fingerprint(evaluator.variants.folder),
        asked.images,
        space.weight_bits,
        space.act_bits,
        space.constant_bits,
        sorted(space.fixed),
    ]


def _digest(question: list) -> str:
    return hashlib.blake2b(json.dumps(question, sort_keys=True).encode(), digest_size=6).hexdigest()


class _Kept(TypedDict):
    """sensitivity.json."""

    asked: list[Any]
    weights: Options
    acts: Options
    constants: Options


def _known_sensitivities(path: Path, evaluator, space, asked):
    """Measured once for a folder and the same question; kept in a file."""
    question = json.loads(json.dumps(_question(evaluator, space, asked)))
    if path.is_file():
        kept = read_json(path, _Kept, "remove it, and it is measured again")
        if kept["asked"] == question:
            return {kind: kept[kind] for kind in KINDS}
    found = sensitivities(evaluator, space)
    text = json.dumps({"asked": question, **found}, indent=1) + "\n"
    write_whole(path, lambda target: target.write_text(text))
    return found
