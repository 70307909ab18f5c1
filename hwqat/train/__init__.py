"""Training: `fit(model, dataset, config, out)`, its config, and accuracy as it is reported."""

from __future__ import annotations

from hwqat.train.config import TrainConfig
from hwqat.train.evaluate import accuracy
from hwqat.train.launch import require_fit, train_float
from hwqat.train.loop import Result, fit
from hwqat.train.own import save
from hwqat.train.recipes import QAT_RECIPES, RECIPES, default_config, qat_config

__all__ = [
    "QAT_RECIPES",
    "RECIPES",
    "Result",
    "TrainConfig",
    "accuracy",
    "default_config",
    "fit",
    "qat_config",
    "require_fit",
    "save",
    "train_float",
]
