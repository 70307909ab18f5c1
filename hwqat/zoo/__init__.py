"""Networks that ship trained: RUN folders in the package, called ``zoo:NAME`` on the command line.

An entry is a RUN folder (`hwqat.runs`), the float run's card (float/run.json) and card.json: how it was made and what
it reaches. ``python -m hwqat.zoo RUN NAME`` adds one. recipes/ has the config
files that the networks were trained by.
"""

from __future__ import annotations

import json
from pathlib import Path

from hwqat.errors import HwqatError

PREFIX, CARD = "zoo:", "card.json"
HOME = Path(__file__).parent
RECIPES = HOME / "recipes"


def names() -> list[str]:
    """The networks there are, in order."""
    return sorted(path.parent.name for path in HOME.glob(f"*/{CARD}"))


def card(name: str) -> dict:
    """What an entry says of itself: net, data, seed, scheme, recipes, commit, and accuracies in percent.

    float_accuracy is of the network that it began with, control_accuracy (may be None) of that network trained on for
    as long without quantisers, integer_accuracy golden's.
    """
    return json.loads((find(f"{PREFIX}{name}") / CARD).read_text())


def find(source: str | Path) -> Path:
    """The RUN folder behind ``zoo:NAME``; any other source is its own folder."""
    if not str(source).startswith(PREFIX):
        return Path(source)
    name = str(source).removeprefix(PREFIX)
    if name not in names():
        raise HwqatError(f"the zoo has no {name!r}; it has {', '.join(names())}")
    return HOME / name


def recipe(source: str | Path) -> Path:
    """The config file behind ``zoo:NAME``; any other source is its own file."""
    if not str(source).startswith(PREFIX):
        return Path(source)
    name, known = str(source).removeprefix(PREFIX), sorted(path.stem for path in RECIPES.glob("*.toml"))
    if name not in known:
        raise HwqatError(f"the zoo has no recipe {name!r}; it has {', '.join(known)}")
    return RECIPES / f"{name}.toml"


def listing() -> str:
    """A line for each network."""
    rows = [(name, card(name)) for name in names()]
    width = max((len(name) for name in names()), default=0)
    return "\n".join(
        f"  zoo:{name:<{width}}  {c['net']} on {c['data']}: {c['float_accuracy']:.2f} % float, "
        f"{c['integer_accuracy']:.2f} % in integers"
        for name, c in rows
    )
