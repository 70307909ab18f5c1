"""What to quantise, and how: one frozen dataclass, also from TOML or from the plain values in run.json."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from hwqat.errors import HwqatError
from hwqat.fixed import Rounding
from hwqat.naming import shown
from hwqat.quant.activations import ACT_QUANTISERS
from hwqat.quant.calibrate import CALIBRATIONS
from hwqat.quant.constants import Rescale
from hwqat.quant.grid import FLOAT_BITS, MAX_BITS
from hwqat.quant.weights import WEIGHT_QUANTISERS

#: A table has an entry for each integer that it reads: 4,096 at most.
MOST_TABLE_BITS = 12
BRANCHES = ("requantise", "accumulator")
BATCH_NORMS = ("unfolded", "folded")

SWITCHES = ("per_channel", "depthwise_per_channel", "train_constants", "relu6_as_relu")
LAYER_KEYS = ("weight_bits", "act_bits", "weights", "activations", "per_channel")
#: what an override for some layers may state
OVERRIDES = (*LAYER_KEYS, "rescale")


@dataclass(frozen=True)
class LayerScheme:
    """What one layer gets. weights, activations: names of quantisers; per_channel: one weight step per channel."""

    weight_bits: int
    act_bits: int
    weights: str
    activations: str
    per_channel: bool


@dataclass(frozen=True)
class Scheme:
    """A quantisation scheme.

    Attributes:
        weight_bits: of every layer but the first and the last; 1..16, or 32 for "not quantised".
        act_bits: likewise, of the activation that a layer makes; a signed one has at least 2.
        first_weight_bits: of layers that read the network's input.
        first_act_bits: of what they make.
        last_weight_bits: of layers that make the network's outputs.
        last_act_bits: of what they read.
        bn_bits: of a batch norm that stands in front of a convolution.
        table_bits: of what a table reads (a sigmoid, a SiLU, ..), 2..12.
        weights: name of the quantiser of weights.
        activations: name of the quantiser of activations.
        per_channel: weights get one step for each output channel.
        depthwise_per_channel: those of depthwise convolutions do; their channels differ most, and M absorbs the steps.
        calibration: how the ranges of activations start: "min-max", "moving-average", "percentile", "kl" or "mse".
        rescale: format of the requantise constants: their width, "W", or a fixed format, "W,I"; with how they are
            rounded and what becomes of those that do not fit, "W,I,Q,O" (hwqat.quant.constants.Rescale).
        rounding: how requantise rounds its sum (the names of ap_fixed).
        train_constants: training rounds M and B to the format of `rescale` too, so that narrow ones are learned with.
        relu6_as_relu: a ReLU6 of the float network becomes a ReLU: the learned range clips anyway.
        branch: whether a shortcut that has a convolution is requantised before a residual addition ("requantise"), or
            joins as an accumulator ("accumulator").
        residual_bits: of what a residual addition reads, the identity and a requantised branch; a convolution that reads
            the identity too gets its own requantise with act_bits, so that sums of many blocks are not rounded
            to few bits again and again. 0: act_bits, and one requantise for both. The first layer's stays as it is.
        bn: "unfolded": a batch norm is the scale and shift of the requantise behind its convolution. "folded": for
            comparison, it scales the weights before they are quantised (hwqat.nn.folded), if it alone reads the sum of
            a convolution or linear layer; M is then one for the tensor. Others stay unfolded.
        layers: overrides by glob on the layer's path, in order, later ones win: {"blocks.3.*": {"weight_bits": 6}}.
            They state any of OVERRIDES; rescale is for the requantise of what the layer makes.
    """

    weight_bits: int = 8
    act_bits: int = 8
    first_weight_bits: int = 8
    first_act_bits: int = 8
    last_weight_bits: int = 8
    last_act_bits: int = 8
    bn_bits: int = 16
    table_bits: int = 10
    weights: str = "absmax"
    activations: str = "modified-pact"
    per_channel: bool = False
    depthwise_per_channel: bool = False
    calibration: str = "mse"
    rescale: str = "32"
    rounding: str = "AP_RND"
    train_constants: bool = False
    relu6_as_relu: bool = False
    branch: str = "requantise"
    residual_bits: int = 0
    bn: str = "unfolded"
    layers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.rescale, int) and not isinstance(self.rescale, bool):
            object.__setattr__(self, "rescale", str(self.rescale))
        _check("the scheme", {f.name: getattr(self, f.name) for f in dataclasses.fields(self)})
        Rescale.parse(self.rescale)
        if not isinstance(self.layers, dict):
            raise HwqatError(f"the scheme: layers must be a table of globs, not {shown(self.layers)}")
        for glob, changes in self.layers.items():
            where = f"the scheme's layers {shown(glob)}"
            if not isinstance(changes, dict):
                raise HwqatError(f"{where} must be a table of keys, not {shown(changes)}")
            _known(where, changes, OVERRIDES)
            _check(where, changes)
            if "rescale" in changes:
                Rescale.parse(changes["rescale"])

    # Making one -----------------------------------------------------------------------------------------------------

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str = "the scheme") -> Scheme:
        """From plain values (of JSON or TOML); an unknown key is an error."""
        _known(where, values, [f.name for f in dataclasses.fields(cls)])
        return cls(**values)

    @classmethod
    def uniform(cls, bits: int, **changes: Any) -> Scheme:
        """``bits`` for every weight and activation, but at least 8 for the first and the last layer."""
        return cls(weight_bits=bits, act_bits=bits, **changes)

    def with_changes(self, **changes: Any) -> Scheme:
        _known("the changes", changes, [f.name for f in dataclasses.fields(self)])
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` takes them back."""
        return dataclasses.asdict(self)

    # Asking it ------------------------------------------------------------------------------------------------------

    def layer(self, path: str, *, first: bool = False, last: bool = False) -> LayerScheme:
        """What the layer (or activation) at ``path`` gets. Overrides win over first and last."""
        values = {key: getattr(self, key) for key in LAYER_KEYS}
        if first:
            values |= {"weight_bits": self.first_weight_bits, "act_bits": self.first_act_bits}
        if last:
            values |= {"weight_bits": self.last_weight_bits, "act_bits": self.last_act_bits}
        stated = self.override(path)
        return LayerScheme(**(values | {key: stated[key] for key in LAYER_KEYS if key in stated}))

    def rescale_of(self, *paths: str) -> Rescale:
        """Format of the constants of a requantise: ``paths`` of what it reads, then its own; the last override wins."""
        stated = [self.override(path)["rescale"] for path in paths if "rescale" in self.override(path)]
        return Rescale.parse(stated[-1] if stated else self.rescale)

    def override(self, path: str) -> dict[str, Any]:
        """What the globs that match ``path`` state."""
        found: dict[str, Any] = {}
        for glob, changes in self.layers.items():
            if fnmatchcase(path, glob):
                found |= changes
        return found


def _known(where: str, values: dict[str, Any], known) -> None:
    for key in values:
        if key not in known:
            raise HwqatError(f"unknown key {shown(key)} in {where}; known are {', '.join(known)}")


def _check(where: str, values: dict[str, Any]) -> None:
    choices = {
        "weights": WEIGHT_QUANTISERS,
        "activations": ACT_QUANTISERS,
        "calibration": CALIBRATIONS,
        "rounding": [str(mode) for mode in Rounding],
        "branch": BRANCHES,
        "bn": BATCH_NORMS,
    }
    for key, value in values.items():
        if key == "table_bits" and (isinstance(value, bool) or value not in range(2, MOST_TABLE_BITS + 1)):
            raise HwqatError(f"{where}: table_bits must be 2..{MOST_TABLE_BITS}, not {shown(value)}")
        if key == "residual_bits" and value == 0 and not isinstance(value, bool):
            continue
        if key.endswith("_bits"):
            if isinstance(value, bool) or value not in (*range(1, MAX_BITS + 1), FLOAT_BITS):
                raise HwqatError(f"{where}: {key} must be 1..{MAX_BITS}, or {FLOAT_BITS} for float, not {shown(value)}")
        elif key in choices:
            if not isinstance(value, str) or value not in choices[key]:
                raise HwqatError(f"{where}: {key} must be one of {', '.join(choices[key])}, not {shown(value)}")
        elif key in SWITCHES and not isinstance(value, bool):
            raise HwqatError(f"{where}: {key} must be true or false, not {shown(value)}")
