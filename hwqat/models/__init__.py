"""The networks that ship with hwqat, by name. They are plain float modules: `hwqat.prepare` quantises them."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from torch import nn

from hwqat import names
from hwqat.errors import HwqatError
from hwqat.models.count import Work, count
from hwqat.models.digitnet import DigitNet
from hwqat.models.mobilenetv2 import MobileNetV2
from hwqat.models.resnet20 import ResNet20
from hwqat.models.toynet import ToyNet
from hwqat.own import find_own

__all__ = ["NETWORKS", "DigitNet", "MobileNetV2", "ResNet20", "ToyNet", "Work", "build", "count"]

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    name: getattr(importlib.import_module(f"{__name__}.{name}"), made) for name, made in names.NETWORKS.items()
}


#: Classes that a network of ours tells apart, unless it is told otherwise.
CLASSES = 10


def kwargs_for(name: str, classes: int) -> dict[str, object]:
    """What `build` is told for data of so many classes: nothing where it is as usual, or the network is the user's own."""
    return {"classes": classes} if name in NETWORKS and classes != CLASSES else {}


def build(name: str, **kwargs: object) -> nn.Module:
    """A network of ours, or the user's own (`find_own`), with fresh weights drawn from torch's global generator (seed it first).

    kwargs: `width` (float, default 1.0) and `classes` (int, default 10), the same for every network.
    """
    if name not in NETWORKS and ":" not in name:
        raise HwqatError(f"no network is called {name!r}; there are {', '.join(NETWORKS)}, or file.py:Net for your own")
    make = NETWORKS[name] if name in NETWORKS else find_own(name)
    try:
        made = make(**kwargs)
    except TypeError as error:
        raise HwqatError(f"network {name} cannot be built with {kwargs}: {error}") from error
    if not isinstance(made, nn.Module):
        raise HwqatError(f"{name} makes a {type(made).__name__}, not a network (torch.nn.Module)")
    return made
