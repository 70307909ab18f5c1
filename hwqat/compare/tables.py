"""Which schemes are compared: tables of rows and columns, every cell one scheme, before or after training.

A cell states its scheme as changes to the user's. What `Scheme` does not accept is left out by who runs it, so a
table may ask for more than there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hwqat.quant.calibrate import CALIBRATIONS
from hwqat.quant.grid import FLOAT_BITS

FLOAT_ACTS = {f"{which}act_bits": FLOAT_BITS for which in ("", "first_", "last_")} | {"bn_bits": FLOAT_BITS}
TENSOR, CHANNEL = {"per_channel": False}, {"per_channel": True}
AFFINE_WEIGHTS, AFFINE_ACTS = {"weights": "affine"}, {"activations": "affine"}
GRAINS = {"per tensor": TENSOR, "per channel": CHANNEL}
WEIGHTS = {"symmetric": {}, "affine": AFFINE_WEIGHTS}
ACTS = {"symmetric": {}, "affine": AFFINE_ACTS}
NORMS = {"unfolded": {"bn": "unfolded"}, "folded": {"bn": "folded"}}
#: (bits of weights, bits of activations)
BITS = ((8, 8), (4, 8), (8, 4), (4, 4))
BITS_OF_ACTS = ((8, 8), (8, 4))


@dataclass(frozen=True)
class Cell:
    """One accuracy. changes: of the scheme; trained: with quantisation-aware training, else calibrated only."""

    changes: dict[str, Any]
    trained: bool = False


@dataclass(frozen=True)
class Row:
    """Its name, and a cell for each column of the table."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """What it is about, names of its columns, rows."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def whitepaper(training: bool = True) -> list[Table]:
    """All of them; without ``training``, those cells that need none."""
    made = [weights_only(), weights_and_activations(), calibrations(), training_or_not(), batch_norm()]
    return made if training else [_untrained(table) for table in made]


def weights_only() -> Table:
    rows = [
        Row(f"{name}, {grain}", tuple(Cell({"weight_bits": bits} | FLOAT_ACTS | kind | fine) for bits in (8, 4)))
        for grain, fine in GRAINS.items()
        for name, kind in WEIGHTS.items()
    ]
    return Table("Post-training, weights only", ("w8", "w4"), tuple(rows))


def weights_and_activations() -> Table:
    rows = [
        _row(f"{w} weights {grain}, {a} activations", kind | fine | acts)
        for grain, fine in GRAINS.items()
        for w, kind in WEIGHTS.items()
        for a, acts in ACTS.items()
    ]
    return Table("Post-training, weights and activations", _columns(), tuple(rows))


def calibrations() -> Table:
    rows = [_row(method, CHANNEL | {"calibration": method}, bits=BITS_OF_ACTS) for method in CALIBRATIONS]
    return Table("Calibration of activations, post-training, weights per channel", _columns(BITS_OF_ACTS), tuple(rows))


def training_or_not() -> Table:
    rows = [
        _row(f"{grain}, {_how(trained)}", fine, trained) for grain, fine in GRAINS.items() for trained in (False, True)
    ]
    return Table("Post-training against quantisation-aware training", _columns(), tuple(rows))


def batch_norm() -> Table:
    rows = [
        _row(f"{name}, {_how(trained)}", norm, trained) for name, norm in NORMS.items() for trained in (False, True)
    ]
    return Table("Batch norm", _columns(), tuple(rows))


def _columns(bits=BITS) -> tuple[str, ...]:
    return tuple(f"w{weights} a{acts}" for weights, acts in bits)


def _row(name: str, changes: dict[str, Any], trained: bool = False, bits=BITS) -> Row:
    return Row(name, tuple(Cell({"weight_bits": w, "act_bits": a} | changes, trained) for w, a in bits))


def _how(trained: bool) -> str:
    return "trained" if trained else "post-training"


def _untrained(table: Table) -> Table:
    return Table(table.name, table.columns, tuple(row for row in table.rows if not row.cells[0].trained))
