"""From sensitivity over an exact knapsack to Optuna's study."""

from __future__ import annotations

from ..errors import HwqatError
from ..progress import bar
from .evaluate import Evaluator, Score
from .knapsack import knapsack
from .space import Choice, Space

#: Trials of a generation.
POPULATION = 24
#: For each layer, its (bits of memory, loss added) for each of the bits it may get.
Options = list[list[tuple[int, float]]]


def sensitivities(evaluator: Evaluator, space: Space, progress: bool = True) -> tuple[Options, Options]:
    """For each layer and each of its bits: (bits of memory, loss added) when it alone gets them.

    Returns:
        For weights and for activations; the latter cost nothing here.
    """
    base = space.uniform(space.weight_bits[-1], space.act_bits[-1])
    start = evaluator.score(space, base).loss
    weights: Options = []
    acts: Options = []
    total = sum(len(space.weight_choices(x)) + len(space.act_choices(x)) for x in space.layers)
    with bar(total, "try", "sensitivity", progress) as shown:
        for i, layer in enumerate(space.layers):
            for found, choices, now, sizes in (
                (weights, space.weight_choices(layer), base.weight_bits, layer.weights),
                (acts, space.act_choices(layer), base.act_bits, 0),
            ):
                row = []
                for bits in choices:
                    loss = 0.0 if bits == now[i] else _alone(evaluator, space, base, i, bits, found is weights) - start
                    row.append((bits * sizes, loss))
                    shown.update()
                found.append(row)
    return weights, acts


def _alone(evaluator: Evaluator, space: Space, base: Choice, i: int, bits: int, weights: bool) -> float:
    put = lambda old: (*old[:i], bits, *old[i + 1 :])  # noqa: E731
    choice = Choice(put(base.weight_bits), base.act_bits) if weights else Choice(base.weight_bits, put(base.act_bits))
    return evaluator.score(space, choice).loss


def best_within(space: Space, weights: Options, budget: int, act_bits: tuple[int, ...]) -> Choice:
    """The choice of weight bits with the least sum of losses within a budget of memory."""
    picked = knapsack(weights, budget)
    return Choice(tuple(space.weight_choices(layer)[i] for layer, i in zip(space.layers, picked)), act_bits)


def explore(
    evaluator: Evaluator, space: Space, starts: list[Choice], *, storage: str, name: str, trials: int, budget: dict[str, float],
    progress: bool = True,
) -> list[tuple[Choice, Score]]:  # fmt: skip
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
        study = optuna.create_study(directions=["minimize", "minimize"], storage=storage, study_name=name, load_if_exists=True,
                                    sampler=sampler)  # fmt: skip
    except Exception as error:  # whatever the data base's driver raises
        raise HwqatError(f"cannot use the storage {storage}: {type(error).__name__}: {error}") from None
    if not study.trials:
        for choice in starts:
            study.enqueue_trial(_parameters(space, choice), skip_if_exists=True)
    with bar(trials, "trial", "search", progress) as shown:
        study.optimize(objective, n_trials=trials, callbacks=[lambda *_: shown.update()], gc_after_trial=False)
    done = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    return [(_choice(space, trial.params), Score(trial.values[0], trial.user_attrs["accuracy"], trial.user_attrs["costs"])) for trial in done]


def require_optuna():
    """The optional package, or a sentence."""
    try:
        import optuna
    except ImportError:
        raise HwqatError("'hwqat search' needs Optuna; install it with: pip install 'hwqat[search]'") from None
    return optuna


def _suggest(trial, space: Space) -> Choice:
    pick = lambda kind, layer, bits: trial.suggest_categorical(f"{kind} {layer.path}", bits)  # noqa: E731
    return Choice(tuple(pick("weights", x, space.weight_choices(x)) for x in space.layers),
                  tuple(pick("acts", x, space.act_choices(x)) for x in space.layers))  # fmt: skip


def _parameters(space: Space, choice: Choice) -> dict[str, int]:
    rows = zip(space.layers, choice.weight_bits, choice.act_bits)
    return {f"{kind} {layer.path}": bits for layer, w, a in rows for kind, bits in (("weights", w), ("acts", a))}


def _choice(space: Space, parameters: dict[str, int]) -> Choice:
    return Choice(tuple(parameters[f"weights {x.path}"] for x in space.layers), tuple(parameters[f"acts {x.path}"] for x in space.layers))
