"""``hwqat search``: bits for each layer of a RUN, most accuracy within a budget.

Post-training scores on a few hundred training images choose; with --finetune the best of the front are trained for some
epochs each, and the best of those is chosen. Many workers share one --storage; a study is that of one question: another
network, budget, target or choice of bits gets its own. With the same --trials an interrupted one does what it lost and
nothing else; with more, it goes on.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypedDict

from .. import zoo
from ..answers import Searched
from ..decode import read_json
from ..errors import HwqatError
from ..folders import require_own, tidy, write_whole
from .arguments import data_arguments, table, target_arguments, target_of
from .numbers import real, whole

TABLES = ("target",)
SENSITIVITY = "sensitivity.json"
Options = list[list[tuple[int, float]]]


def arguments(parser) -> None:
    parser.add_argument(
        "source", metavar="RUN", help="folder of a run, or zoo:NAME; its weights are quantised as they are"
    )
    parser.add_argument(
        "--average",
        type=real(above=0, most=32),
        metavar="BITS",
        help="weight memory at most, as bits of a weight on average (default 5)",
    )
    parser.add_argument("--most-dsp", type=whole(0, 2**62), metavar="N", help="DSP blocks at most")
    parser.add_argument(
        "--most-memory",
        type=whole(0, 2**62),
        metavar="N",
        help="bits of memory on chip at most: weights, constants, buffers, FIFOs",
    )
    parser.add_argument("--most-cycles", type=whole(0, 2**62), metavar="N", help="cycles a frame at most")
    parser.add_argument("--weights", default="2:8", metavar="BITS", help="bits that weights may get (default 2:8)")
    parser.add_argument("--acts", default="8", metavar="BITS", help="bits that activations may get (default 8)")
    parser.add_argument("--constants", metavar="BITS", help="bits that M and B may get (default: the run's)")
    parser.add_argument("--ends", action="store_true", help="let the first and the last layer be free, too")
    parser.add_argument(
        "--images",
        type=whole(1),
        default=512,
        metavar="N",
        help="training images that choices are judged by (default 512)",
    )
    parser.add_argument(
        "--trials", type=whole(1), default=100, metavar="N", help="trials of the study in all (default 100)"
    )
    parser.add_argument(
        "--finetune",
        type=whole(0),
        default=0,
        metavar="EPOCHS",
        help="train the best of the front so long, and choose among those",
    )
    parser.add_argument(
        "--storage", metavar="URL", help="Optuna's storage; many workers may share one (default: a file in DIR)"
    )
    parser.add_argument("--study", default="hwqat", metavar="NAME", help="name of the study in the storage")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder of the results; an earlier search goes on there"
    )
    target_arguments(parser)
    data_arguments(parser)


def run(args):
    return find(args, target_of(args), print), 0


def find(args, target, say) -> Searched:
    """What `hwqat.search` gives, of the arguments; ``say`` is told what was found, in words."""
    from ..search.evaluate import Evaluator
    from ..search.explore import explore, open_study, require_optuna
    from ..search.finetune import best_of_front, finetune

    require_optuna()
    bits = _checked(args)
    evaluator = Evaluator(str(zoo.find(args.source)), args.data_dir, args.images, target)
    space = evaluator.space(bits["weights"], bits["acts"], args.ends, bits["constants"])
    budget = _budget(args, space)
    least = space.memory(space.uniform(space.weight_bits[0]))
    if budget["weight_bits"] < least:
        raise HwqatError(f"the budget of {budget['weight_bits']:,} bits is below the {least:,} of the smallest choices")
    tidy(args.out)
    require_own(args.out, (SENSITIVITY,), ("scheme.toml", "search.json", "front.svg"))
    storage = args.storage or f"sqlite:///{(Path(args.out) / 'study.db').absolute()}"
    name = f"{args.study}-{_digest([*_question(evaluator, space, args), repr(target), budget])}"
    if args.storage:  # before anything is written
        study = open_study(storage, name)
    Path(args.out).mkdir(parents=True, exist_ok=True)
    if not args.storage:
        study = open_study(storage, name)
    alone = _known_sensitivities(Path(args.out) / SENSITIVITY, evaluator, space, args)
    uniform = {f"uniform {width}": space.uniform(width) for width in bits["weights"]}
    found = explore(
        evaluator,
        space,
        _first_choices(space, alone, budget, uniform.values()),
        study=study,
        storage=storage,
        trials=args.trials,
        budget=budget,
    )
    within = [(c, s) for c, s in found if all(s.costs[key] <= most for key, most in budget.items())]
    if not within:
        raise HwqatError(
            f"none of {len(found)} trials stays within the budget ({_words(budget)}); ask for more, or run more trials"
        )
    choice, _ = min(within, key=lambda pair: (pair[1].loss, pair[1].costs["weight_bits"]))
    tuned = []
    if args.finetune:
        tuned = finetune(evaluator, space, best_of_front(space, within), args.finetune, Path(args.out) / "tuned")
        choice = tuned[0].choice
    return _write(args, evaluator, space, budget, found, uniform, choice, tuned, say)


def _checked(args) -> dict[str, tuple[int, ...]]:
    """The bits that each kind of number may get; whatever else is asked for makes sense."""
    from ..sweep.points import integers

    kinds = (("weights", args.weights, 1, 16), ("acts", args.acts, 2, 16), ("constants", args.constants, 2, 32))
    return {kind: tuple(integers(f"--{kind}", text, low, high)) if text else () for kind, text, low, high in kinds}


def _budget(args, space) -> dict[str, int]:
    """At most so much of each cost."""
    average = 5.0 if args.average is None else args.average
    budget = {"weight_bits": int(average * sum(layer.weights for layer in space.layers))}
    asked = {"dsp": args.most_dsp, "memory_bits": args.most_memory, "cycles": args.most_cycles}
    return budget | {cost: most for cost, most in asked.items() if most is not None}


def _first_choices(space, alone: dict, budget: dict[str, int], uniform) -> list:
    """Where to begin: what the layers' sensitivities, each alone, say for this budget and for others."""
    from ..search.explore import best_within, budgets

    top = space.uniform(space.weight_bits[-1])
    mixed = best_within(space, "weights", alone["weights"], budget["weight_bits"], top)
    others = [best_within(space, "weights", alone["weights"], memory, top) for memory in budgets(alone["weights"])]
    if space.constant_bits:
        others += [
            best_within(space, "constants", alone["constants"], sum_of, mixed) for sum_of in budgets(alone["constants"])
        ]
    return [mixed, *uniform, *others]


def _write(args, evaluator, space, budget, found, uniform, choice, tuned, say) -> Searched:
    """scheme.toml, search.json and front.svg; the same in words. Returns what search.json has."""
    from ..search.output import front_plot, scheme_toml, write_search
    from ..search.space import KINDS

    bits = lambda c: {kind: c.of(kind) for kind in KINDS if kind != "constants" or space.constant_bits}  # noqa: E731
    score = evaluator.score(space, choice, plan=True)
    memory = score.costs["weight_bits"]
    note = f"found by hwqat search within {_words(budget)}: {memory} bits of weights, {score.accuracy:.2f} % of {args.images} training images"
    points = [{**bits(c), "loss": s.loss, "accuracy": s.accuracy, **s.costs} for c, s in found]
    result = {
        "images": args.images,
        "layers": [layer.path for layer in space.layers],
        "budget": budget,
        "best": {**bits(choice), "loss": score.loss, "accuracy": score.accuracy, **score.costs},
        "tuned": [{**bits(t.choice), "accuracy": t.accuracy, "run": t.folder.name} for t in tuned],
        "uniform": {name: c.weight_bits for name, c in uniform.items()},
        "points": points,
    }
    scheme = scheme_toml(space.scheme(evaluator.scheme, choice), note)
    write_search(
        args.out,
        {
            "scheme.toml": scheme,
            "search.json": json.dumps(result, indent=1) + "\n",
            "front.svg": front_plot(space, found, {**uniform, "chosen": choice}) + "\n",
        },
    )
    letters = dict(zip(bits(choice), "wac"))
    say(
        table(
            [
                (layer.path, " ".join(f"{letters[kind]}{row[i]}" for kind, row in bits(choice).items()))
                for i, layer in enumerate(space.layers)
            ]
        )
    )
    for t in tuned:
        say(
            f"after {args.finetune} epochs: {t.accuracy:.2f} % of the validation images at {space.memory(t.choice)} bits of weights ({t.folder})"
        )
    say(
        f"{note}\nwrote scheme.toml, search.json and front.svg to {args.out}; go on with 'hwqat train --config {args.out}/scheme.toml'"
    )
    return Searched(**result)


def _words(budget: dict) -> str:
    return ", ".join(f"{most:,} {cost.replace('_', ' ')}" for cost, most in budget.items())


def _question(evaluator, space, args) -> list:
    """All that a choice's score depends on."""
    from ..sweep.runner import fingerprint

    return [
        fingerprint(evaluator.variants.folder),
        args.images,
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


def _known_sensitivities(path: Path, evaluator, space, args):
    """Measured once for a folder and the same question; kept in a file."""
    from ..search.explore import sensitivities
    from ..search.space import KINDS

    asked = json.loads(json.dumps(_question(evaluator, space, args)))
    if path.is_file():
        kept = read_json(path, _Kept, "remove it, and it is measured again")
        if kept["asked"] == asked:
            return {kind: kept[kind] for kind in KINDS}
    found = sensitivities(evaluator, space)
    text = json.dumps({"asked": asked, **found}, indent=1) + "\n"
    write_whole(path, lambda target: target.write_text(text))
    return found
