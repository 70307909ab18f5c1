"""From sensitivity over an exact knapsack to Optuna's study."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from urllib.parse import unquote

from ..errors import HwqatError
from ..processes import gone, identity
from ..progress import bar
from .evaluate import Evaluator, Score
from .knapsack import knapsack
from .space import KINDS, Choice, Space

#: Trials of a generation.
POPULATION = 24
#: The attribute of a trial that says which process is at it.
WORKER = "worker"
#: What a storage's URL keeps secret: the password between user and host, and parameters of such names.
_PASSWORD = re.compile(r"(?<=://)([^:@/]*):(.*)@")
_PARAMETER = re.compile(r"([?&](?:password|passwd|pwd|token|secret)=)([^&]*)", re.IGNORECASE)
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


def open_study(storage: str, name: str):
    """Optuna's study of that name, begun or continued. What a worker was at when it was killed is to be done again."""
    optuna = require_optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _usable(storage):
        study = optuna.create_study(
            directions=["minimize", "minimize"], storage=storage, study_name=name, load_if_exists=True
        )
        for trial in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
            if _ended(trial.user_attrs.get(WORKER)):
                study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def explore(
    evaluator: Evaluator,
    space: Space,
    starts: list[Choice],
    *,
    study,
    storage: str,
    trials: int,
    budget: dict[str, float],
    progress: bool = True,
) -> list[tuple[Choice, Score]]:
    """Go on in a study until it has so many trials: least loss and least weight memory. ``budget``: cost -> at most.

    What a trial proposes depends on those that are finished and on its number alone, so that an interrupted search
    ends as it would have without. Returns every finished trial, those of other workers included.
    """
    optuna = require_optuna()
    states, starts = optuna.trial.TrialState, list(dict.fromkeys(starts))
    count = lambda *which: len(study.get_trials(deepcopy=False, states=which))  # noqa: E731

    def ask(number: int):
        study.sampler = optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=number)
        if number < len(starts) and not count(states.WAITING):
            study.enqueue_trial(_parameters(space, starts[number]), {WORKER: _worker()})
        trial = study.ask()
        trial.set_user_attr(WORKER, _worker())
        return trial

    def judge(trial) -> None:
        choice = _suggest(trial, space)
        score = evaluator.score(space, choice, plan=bool(budget.keys() - {"weight_bits"}))
        trial.set_user_attr("accuracy", score.accuracy)
        trial.set_user_attr("costs", score.costs)
        for key, most in budget.items():
            trial.set_constraint(key, score.costs[key] - most)
        study.tell(trial, (score.loss, space.memory(choice)), skip_if_finished=True)

    with _usable(storage), bar(trials, "trial", "search", progress) as shown:
        shown.update(min(trials, count(states.COMPLETE)))
        while (number := count(states.COMPLETE, states.RUNNING)) < trials:
            trial = ask(number)
            try:
                judge(trial)
            except BaseException:
                study.tell(trial, state=states.FAIL, skip_if_finished=True)
                raise
            shown.update()
        done = study.get_trials(deepcopy=False, states=[states.COMPLETE])
    return [
        (_choice(space, trial.params), Score(trial.values[0], trial.user_attrs["accuracy"], trial.user_attrs["costs"]))
        for trial in done
    ]


def _worker() -> str:
    """This process, among all of all machines that share a storage."""
    return f"{socket.gethostname()} {identity()}"


def _ended(worker: str | None) -> bool:
    """Whether a worker was of this machine and has ended; one that did not get to say who it was has, too."""
    if worker is None:
        return True
    host, _, name = worker.rpartition(" ")
    return host == socket.gethostname() and gone(name)


@contextlib.contextmanager
def _usable(storage: str) -> Iterator[None]:
    """What the data base's driver raises is one sentence, which tells no password."""
    try:
        yield
    except (HwqatError, MemoryError):
        raise
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        secrets = {found[2] for kind in (_PASSWORD, _PARAMETER) for found in kind.finditer(storage)}
        for secret in sorted(secrets | {unquote(text) for text in secrets}, key=len, reverse=True):
            said = said.replace(secret, "***") if secret else said
        shown = _PARAMETER.sub(r"\1***", _PASSWORD.sub(r"\1:***@", storage))
        raise HwqatError(f"cannot use the storage {shown}: {said[:500]}") from None


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
