"""From sensitivity over an exact knapsack to Optuna's study."""

from __future__ import annotations

from ..errors import HwqatError
from ..progress import bar
from .evaluate import Evaluator, Score
from .knapsack import knapsack
from .space import KINDS, Choice, Space

#: Trials of a generation.
POPULATION = 24
#: For each layer, its (bits of memory, loss added) for each of the bits it may get.
Options = list[list[tuple[int, float]]]


def sensitivities(evaluator: Evaluator, space: Space, progress: bool = True) -> dict[str, Options]:
    """For each kind of bits, each layer and each of its bits: (bits of memory, loss added) when it alone gets them.

    Only weights cost memory here; for constants the number is their width, so that budgets of an average make sense.
    """
    base = space.uniform(space.weight_bits[-1])
    start = evaluator.score(space, base).loss
    found: dict[str, Options] = {kind: [] for kind in KINDS}
    with bar(
        sum(len(space.choices(kind, layer)) for layer in space.layers for kind in KINDS), "try", "sensitivity", progress
    ) as shown:
        for i, layer in enumerate(space.layers):
            for kind, size in zip(KINDS, (layer.weights, 0, 1)):
                row = []
                for bits in space.choices(kind, layer):
                    alone = base.put(kind, i, bits)
                    row.append((bits * size, 0.0 if alone == base else evaluator.score(space, alone).loss - start))
                    shown.update()
                found[kind].append(row)
    return found


def best_within(space: Space, kind: str, options: Options, budget: int, start: Choice) -> Choice:
    """``start`` with the bits of a kind that give the least sum of losses within a budget."""
    for i, (layer, picked) in enumerate(zip(space.layers, knapsack(options, budget))):
        start = start.put(kind, i, space.choices(kind, layer)[picked])
    return start


def budgets(options: Options, steps: int = 8) -> list[int]:
    """From the least to the most that choices of a kind take."""
    least, most = (sum(pick(cost for cost, _ in item) for item in options) for pick in (min, max))
    return [least + (most - least) * step // steps for step in range(steps + 1)]


def explore(
    evaluator: Evaluator,
    space: Space,
    starts: list[Choice],
    *,
    storage: str,
    name: str,
    trials: int,
    budget: dict[str, float],
    progress: bool = True,
) -> list[tuple[Choice, Score]]:
    """Optuna's study, begun or continued: least loss and least weight memory. ``budget``: cost -> at most.

    Returns every finished trial of the study, those of other workers included.
    """
    optuna = require_optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial):
        choice = _suggest(trial, space)
        score = evaluator.score(space, choice, plan=bool(budget.keys() - {"weight_bits"}))
        trial.set_user_attr("accuracy", score.accuracy)
        trial.set_user_attr("costs", score.costs)
        for key, most in budget.items():
            trial.set_constraint(key, score.costs[key] - most)
        return score.loss, space.memory(choice)

    sampler = optuna.samplers.NSGAIISampler(population_size=POPULATION)
    try:
        study = optuna.create_study(
            directions=["minimize", "minimize"], storage=storage, study_name=name, load_if_exists=True, sampler=sampler
        )
    except Exception as error:  # whatever the data base's driver raises
        raise HwqatError(f"cannot use the storage {storage}: {type(error).__name__}: {error}") from None
    if not study.trials:
        for choice in starts:
            study.enqueue_trial(_parameters(space, choice), skip_if_exists=True)
    with bar(trials, "trial", "search", progress) as shown:
        study.optimize(objective, n_trials=trials, callbacks=[lambda *_: shown.update()], gc_after_trial=False)
    done = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    return [
        (_choice(space, trial.params), Score(trial.values[0], trial.user_attrs["accuracy"], trial.user_attrs["costs"]))
        for trial in done
    ]


def require_optuna():
    """The optional package, or a sentence."""
    try:
        import optuna
    except ImportError:
        raise HwqatError("'hwqat search' needs Optuna; install it with: pip install 'hwqat[search]'") from None
    return optuna


def _suggest(trial, space: Space) -> Choice:
    return Choice(
        *(
            tuple(trial.suggest_categorical(f"{kind} {x.path}", space.choices(kind, x)) for x in space.layers)
            for kind in KINDS
        )
    )


def _parameters(space: Space, choice: Choice) -> dict[str, int]:
    return {f"{kind} {layer.path}": bits for kind in KINDS for layer, bits in zip(space.layers, choice.of(kind))}


def _choice(space: Space, parameters: dict[str, int]) -> Choice:
    return Choice(*(tuple(parameters[f"{kind} {x.path}"] for x in space.layers) for kind in KINDS))
