"""Default recipes for float training, by data set; a config file changes what it states."""

from __future__ import annotations

from hwqat.train.config import TrainConfig

RECIPES: dict[str, TrainConfig] = {
    "digits": TrainConfig(epochs=40, batch=32, lr=0.05, weight_decay=5e-4, label_smoothing=0.05, warmup=2.0),
    "cifar10": TrainConfig(epochs=30, batch=128, lr=0.2, weight_decay=5e-4, label_smoothing=0.1, warmup=2.0),
}


def default_config(data: str) -> TrainConfig:
    """The recipe for the data set called `data`; TrainConfig's defaults for one without."""
    return RECIPES.get(data, TrainConfig())
