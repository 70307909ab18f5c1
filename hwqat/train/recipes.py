"""Default recipes by data set, for float training and for the quantisation-aware training that starts from it.

A config file changes what it states.
"""

from __future__ import annotations

from hwqat.train.config import TrainConfig

RECIPES: dict[str, TrainConfig] = {
    "digits": TrainConfig(epochs=60, batch=32, lr=0.05, weight_decay=5e-4, label_smoothing=0.05, warmup=2.0),
    "cifar10": TrainConfig(epochs=30, batch=128, lr=0.2, weight_decay=5e-4, label_smoothing=0.05, warmup=2.0),
}

# From trained weights: a lower peak rate, and batch norm frozen at the end, so that the last epochs tune the
# weights against the very multipliers that the hardware will have.
QAT_RECIPES: dict[str, TrainConfig] = {
    "digits": RECIPES["digits"].with_changes(epochs=40, lr=0.02, warmup=1.0, freeze_bn=0.1),
    "cifar10": RECIPES["cifar10"].with_changes(epochs=20, lr=0.02, weight_decay=1e-4, warmup=1.0, freeze_bn=0.1),
}


def default_config(data: str) -> TrainConfig:
    """The float recipe for the data set called `data`; TrainConfig's defaults for one without."""
    return RECIPES.get(data, TrainConfig())


def qat_config(data: str) -> TrainConfig:
    """The quantisation-aware recipe for the data set called `data`, to start from float weights."""
    return QAT_RECIPES.get(data, TrainConfig(lr=0.01, freeze_bn=0.1))
