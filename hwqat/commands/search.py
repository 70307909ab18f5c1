"""``hwqat search``: bits for each layer of a RUN, most accuracy within a budget.

Post-training scores on a few hundred training images choose; with --finetune the best of the front are trained for some
epochs each, and the best of those is chosen. Many workers share one --storage; a study is that of one question: another
network, budget, target or choice of bits gets its own.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from .. import zoo
from ..errors import HwqatError
from .common import data_arguments, table, target_arguments, target_of

HELP = "search bits for each layer: most accuracy within a budget of memory, DSPs or cycles"


def arguments(parser) -> None:
    parser.add_argument("source", metavar="RUN", help="folder of a run, or zoo:NAME; its weights are quantised as they are")
    parser.add_argument("--average", type=float, metavar="BITS", help="weight memory at most, as bits of a weight on average (default 5)")
    parser.add_argument("--most-dsp", type=int, metavar="N", help="DSP blocks at most")
    parser.add_argument("--most-memory", type=int, metavar="N", help="bits of memory on chip at most: weights, constants, buffers, FIFOs")
    parser.add_argument("--most-cycles", type=int, metavar="N", help="cycles a frame at most")
    parser.add_argument("--weights", default="2:8", metavar="BITS", help="bits that weights may get (default 2:8)")
    parser.add_argument("--acts", default="8", metavar="BITS", help="bits that activations may get (default 8)")
    parser.add_argument("--constants", metavar="BITS", help="bits that M and B may get (default: the run's)")
    parser.add_argument("--ends", action="store_true", help="let the first and the last layer be free, too")
    parser.add_argument("--images", type=int, default=512, metavar="N", help="training images that choices are judged by (default 512)")
    parser.add_argument("--trials", type=int, default=100, metavar="N", help="trials of this worker (default 100)")
    parser.add_argument("--finetune", type=int, default=0, metavar="EPOCHS", help="train the best of the front so long, and choose among those")
    parser.add_argument("--storage", metavar="URL", help="Optuna's storage; many workers may share one (default: a file in DIR)")
    parser.add_argument("--study", default="hwqat", metavar="NAME", help="name of the study in the storage")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the results; an earlier search goes on there")
    target_arguments(parser)
    data_arguments(parser)


def run(args):
    from ..search.evaluate import Evaluator
    from ..search.explore import best_within, budgets, explore, require_optuna, sensitivities
    from ..search.output import front_plot, scheme_toml, write_search
    from ..search.space import KINDS
    from ..sweep.points import integers

    require_optuna()
    for option, value in (("--images", args.images), ("--trials", args.trials)):
        if value < 1:
            raise HwqatError(f"{option} must be at least 1, not {value}")
    weight_bits = tuple(integers("--weights", args.weights, 1, 16))
    act_bits = tuple(integers("--acts", args.acts, 2, 16))
    constant_bits = tuple(integers("--constants", args.constants, 2, 32)) if args.constants else ()
    if args.finetune < 0:
        raise HwqatError(f"--finetune must be at least 0 epochs, not {args.finetune}")
    evaluator = Evaluator(str(zoo.find(args.source)), args.data_dir, args.images, target_of(args))
    space = evaluator.space(weight_bits, act_bits, args.ends, constant_bits)
    average = 5.0 if args.average is None else args.average
    budget = {"weight_bits": int(average * sum(layer.weights for layer in space.layers))}
    asked = {"dsp": args.most_dsp, "memory_bits": args.most_memory, "cycles": args.most_cycles}
    budget |= {cost: most for cost, most in asked.items() if most is not None}
    Path(args.out).mkdir(parents=True, exist_ok=True)

    alone = _known_sensitivities(Path(args.out) / "sensitivity.json", evaluator, space, args, sensitivities)
    top = space.uniform(weight_bits[-1])
    mixed = best_within(space, "weights", alone["weights"], budget["weight_bits"], top)
    others = [best_within(space, "weights", alone["weights"], memory, top) for memory in budgets(alone["weights"])]
    others += [best_within(space, "constants", alone["constants"], sum_of, mixed) for sum_of in budgets(alone["constants"]) if constant_bits]
    uniform = {f"uniform {bits}": space.uniform(bits) for bits in weight_bits}
    storage = args.storage or f"sqlite:///{(Path(args.out) / 'study.db').absolute()}"
    study = f"{args.study}-{_digest([*_question(evaluator, space, args), repr(target_of(args)), budget])}"
    found = explore(evaluator, space, [mixed, *uniform.values(), *others], storage=storage, name=study,
                    trials=args.trials, budget=budget)  # fmt: skip
    within = [(c, s) for c, s in found if all(s.costs[key] <= most for key, most in budget.items())]
    if not within:
        raise HwqatError(f"none of {len(found)} trials stays within the budget ({_words(budget)}); ask for more, or run more trials")
    choice, _ = min(within, key=lambda pair: (pair[1].loss, pair[1].costs["weight_bits"]))
    tuned = []
    if args.finetune:
        from ..search.finetune import best_of_front, finetune

        tuned = finetune(evaluator, space, best_of_front(space, within), args.finetune, Path(args.out) / "tuned")
        choice = tuned[0].choice
    score = evaluator.score(space, choice, plan=True)
    scheme = space.scheme(evaluator.scheme, choice)
    memory = score.costs["weight_bits"]
    note = f"found by hwqat search within {_words(budget)}: {memory} bits of weights, {score.accuracy:.2f} % of {args.images} training images"
    bits = lambda c: {kind: c.of(kind) for kind in KINDS if kind != "constants" or constant_bits}  # noqa: E731
    points = [{**bits(c), "loss": s.loss, "accuracy": s.accuracy, **s.costs} for c, s in found]
    result = {"images": args.images, "layers": [layer.path for layer in space.layers], "budget": budget,
              "best": {**bits(choice), "loss": score.loss, "accuracy": score.accuracy, **score.costs},
              "tuned": [{**bits(t.choice), "accuracy": t.accuracy, "run": t.folder.name} for t in tuned],
              "uniform": {name: c.weight_bits for name, c in uniform.items()}, "points": points}  # fmt: skip
    write_search(args.out, {"scheme.toml": scheme_toml(scheme, note), "search.json": json.dumps(result, indent=1) + "\n",
                            "front.svg": front_plot(space, found, {**uniform, "chosen": choice}) + "\n"})  # fmt: skip
    letters = dict(zip(bits(choice), "wac"))
    print(table([(layer.path, " ".join(f"{letters[kind]}{row[i]}" for kind, row in bits(choice).items())) for i, layer in enumerate(space.layers)]))
    for t in tuned:
        print(f"after {args.finetune} epochs: {t.accuracy:.2f} % of the validation images at {space.memory(t.choice)} bits of weights ({t.folder})")
    print(f"{note}\nwrote scheme.toml, search.json and front.svg to {args.out}; go on with 'hwqat train --config {args.out}/scheme.toml'")
    return result, 0


def _words(budget: dict) -> str:
    return ", ".join(f"{most:,} {cost.replace('_', ' ')}" for cost, most in budget.items())


def _question(evaluator, space, args) -> list:
    """All that a choice's score depends on."""
    from ..sweep.runner import fingerprint

    return [fingerprint(evaluator.variants.folder), args.images, space.weight_bits, space.act_bits, space.constant_bits, sorted(space.fixed)]


def _digest(question: list) -> str:
    return hashlib.blake2b(json.dumps(question, sort_keys=True).encode(), digest_size=6).hexdigest()


def _known_sensitivities(path: Path, evaluator, space, args, measure):
    """Measured once for a folder and the same question; kept in a file."""
    from ..runs import write_whole
    from ..search.space import KINDS

    asked = json.loads(json.dumps(_question(evaluator, space, args)))
    if path.is_file():
        kept = json.loads(path.read_text())
        if kept["asked"] == asked:
            return {kind: [[tuple(pair) for pair in item] for item in kept[kind]] for kind in KINDS}
    found = measure(evaluator, space)
    text = json.dumps({"asked": asked, **found}, indent=1) + "\n"
    write_whole(path, lambda target: target.write_text(text))
    return found
