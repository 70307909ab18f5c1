"""The float network with the grids of its tables: each function that became a table reads and writes what the table does.

Nothing else is quantised. The network is the user's own: functions are exchanged while it runs.
"""

from __future__ import annotations

import torch
from torch.overrides import TorchFunctionMode

from hwqat.nn.steps import Table


def on_grid(x, spec):
    """The nearest value that integers of the spec stand for."""
    scale, zero = float(spec.scale[0]), spec.zero_point
    return ((x.double() / scale + zero).round().clamp(spec.lo, spec.hi) - zero).mul(scale).to(x)


class Gridded(TorchFunctionMode):
    """Within, calls of functions that ``model`` has tables of are on its grids, in the order of the calls."""

    def __init__(self, model) -> None:
        super().__init__()
        specs = model.specs()
        self.tables = [(s.function, specs[s.inputs[0]], specs[s.name]) for s in model.steps if isinstance(s, Table)]
        self.used = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "").rstrip("_")
        if self.used == len(self.tables) or name != self.tables[self.used][0]:
            return function(*args, **(kwargs or {}))
        _, before, behind = self.tables[self.used]
        self.used += 1
        return on_grid(function(on_grid(args[0], before), *args[1:], **(kwargs or {})), behind)


def with_grids(net, model, images):
    """What the network gives with the grids of the tables of ``model``, which was prepared from it."""
    with torch.no_grad(), Gridded(model) as mode:
        out = net(images)
    assert mode.used == len(mode.tables), f"{mode.used} of {len(mode.tables)} tables were met"
    return out
