"""How to train: one frozen dataclass, also from a TOML file that states only what differs from the default."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from hwqat.errors import HwqatError
from hwqat.naming import shown

OPTIMIZERS = ("sgd", "adamw")
PRECISIONS = ("float32", "bfloat16")
#: Pixels that images grow by at a time.
GROWTH = 4


@dataclass(frozen=True)
class TrainConfig:
    """One recipe. Rates are per step and follow the schedule of hwqat.train.optim: warm-up, then cosine to zero.

    Attributes:
        epochs: passes over the training split.
        batch: images per step; the last, smaller batch of an epoch is dropped.
        optimizer: "sgd" (Nesterov, `momentum`) or "adamw".
        lr: peak learning rate.
        momentum: of "sgd".
        warmup: epochs of linear warm-up.
        weight_decay: for parameters of two and more dimensions; biases, batch norms and scales get none.
        scale_lr: factor on `lr` for parameters marked `is_scale = True` (quantiser scales and clipping points).
        scale_adam: rate of an Adam of their own for those parameters, which then follows the schedule too (1e-5 is usual);
            0: they are in `optimizer`, at scale_lr.
        label_smoothing: 0 up to 1.
        augment: shifts and flips of the data set.
        start_size: height and width that images are shrunk to as float training begins; 0: they keep their own. Small
            images cost less, and teach nearly as much while the rate is high (progressive resizing, as in DAWNBench's
            fastest entries; Tan and Le 2021, section 4).
        grow: fraction of training, counted from the beginning, in which they grow to their own size, in equal shares for
            every GROWTH pixels.
        distill: weight (0..1) of the teacher's softened outputs in the loss.
        distill_temperature: that both outputs are divided by (Hinton, Vinyals, Dean 2015).
        average: decay per step of an exponential average of the weights (0 = off; for example 0.999). The averaged
            weights are what is validated and saved. Caution: averaged weights quantise elsewhere than the weights that
            were trained; near rounding thresholds this can cost a quantised network more than it gives
            (Krishnamoorthi 2018).
        freeze_bn: fraction of training, counted from the end, with batch-norm statistics re-estimated over
            `bn_batches` batches and then frozen (0 = never).
        bn_batches: see `freeze_bn`.
        reestimate_bn: batch-norm statistics are averaged anew over `bn_batches` batches before each look at validation
            images and before the end (Nagel et al. 2022, section 2.3.1), unless they are frozen then.
        freeze_flips: a weight whose integer oscillates more often than this, per step, is frozen; 0: off, 0.01 is usual
            (hwqat.train.oscillation).
        freeze_flips_from: the threshold falls from this with half a cosine.
        dampen: factor of the penalty on weights between integers, which rises from 0 with half a cosine; 0: off.
        freeze_layers: fraction of training, counted from the end, in which layers stand still, first a third of them, then
            two (hwqat.train.freezing); 0: never.
        gradient_bits: width of the stochastically rounded gradients of DoReFa (hwqat.train.gradients), 1..16; 32: off.
        precision: of the forward pass in training, "float32" or "bfloat16" (autocast). Evaluation never uses autocast.
        channels_last: memory order.
        compile: torch.compile where it helps, with some seconds to begin with: the whole step on a GPU; on a CPU the
            quantisers, whose passes over memory it fuses, with channels_last (convolution and batch norm are oneDNN's
            and PyTorch's own, and slower when compiled).
        valid_every: epochs from one look at the validation images to the next; the last epoch always has one.
        use_validation: train on the validation split too, once all choices are made; its accuracy then says nothing.
        seed: of everything random.
        checkpoint_minutes: longest time whose work an interruption can lose.
        tensorboard: write the lines of log.csv for TensorBoard too, to RUN/tensorboard; needs the package of that name.
    """

    epochs: int = 30
    batch: int = 128
    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    warmup: float = 1.0
    weight_decay: float = 5e-4
    scale_lr: float = 0.1
    scale_adam: float = 0.0
    label_smoothing: float = 0.0
    augment: bool = True
    start_size: int = 0
    grow: float = 0.7
    distill: float = 0.0
    distill_temperature: float = 2.0
    average: float = 0.0
    freeze_bn: float = 0.0
    bn_batches: int = 100
    reestimate_bn: bool = False
    freeze_flips: float = 0.0
    freeze_flips_from: float = 0.04
    dampen: float = 0.0
    freeze_layers: float = 0.0
    gradient_bits: int = 32
    precision: str = "float32"
    channels_last: bool = False
    compile: bool = False
    valid_every: int = 1
    use_validation: bool = False
    seed: int = 0
    checkpoint_minutes: float = 10.0
    tensorboard: bool = False

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):
            _check_type(spec.name, getattr(self, spec.name), type(spec.default))
        _require(self.epochs >= 0, "epochs", "at least 0", self.epochs)
        _require(self.batch >= 1, "batch", "at least 1", self.batch)
        _require(self.valid_every >= 1, "valid_every", "at least 1", self.valid_every)
        _require(self.start_size >= 0, "start_size", "at least 0", self.start_size)
        _require(self.bn_batches >= 1, "bn_batches", "at least 1", self.bn_batches)
        _require(self.optimizer in OPTIMIZERS, "optimizer", f"one of {', '.join(OPTIMIZERS)}", self.optimizer)
        _require(self.precision in PRECISIONS, "precision", f"one of {', '.join(PRECISIONS)}", self.precision)
        _require(self.gradient_bits in (*range(1, 17), 32), "gradient_bits", "1..16, or 32 for off", self.gradient_bits)
        for name in ("lr", "distill_temperature"):
            _require(getattr(self, name) > 0, name, "above 0", getattr(self, name))
        for name in ("warmup", "weight_decay", "scale_lr", "scale_adam", "dampen", "checkpoint_minutes"):
            _require(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))
        for name in ("momentum", "label_smoothing", "average"):
            _require(0 <= getattr(self, name) < 1, name, "in [0, 1)", getattr(self, name))
        for name in ("distill", "freeze_bn", "grow", "freeze_flips", "freeze_flips_from", "freeze_layers"):
            _require(0 <= getattr(self, name) <= 1, name, "in [0, 1]", getattr(self, name))

    def with_changes(self, **changes: Any) -> TrainConfig:
        """A copy with some fields changed; an unknown one is an error."""
        _check_keys(changes)
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)


def _check_keys(changes: dict[str, Any]) -> None:
    known = [spec.name for spec in dataclasses.fields(TrainConfig)]
    unknown = [name for name in changes if name not in known]
    if unknown:
        raise HwqatError(f"unknown key {shown(unknown[0])} in the changes; known are {', '.join(known)}")


def _check_type(name: str, value: object, kind: type) -> None:
    # TOML writes 1 for 1.0, so an int serves as a float; a bool serves as nothing but a bool.
    fits = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise HwqatError(f"training config: {name} must be of type {kind.__name__}, not {shown(value)}")
    if kind is float and not math.isfinite(value):
        raise HwqatError(f"training config: {name} must be finite, not {shown(value)}")


def _require(holds: bool, name: str, expected: str, got: object) -> None:
    if not holds:
        raise HwqatError(f"training config: {name} must be {expected}, not {shown(got)}")
