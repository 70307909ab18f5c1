"""Not a test: what each process of test_parallel.py does under torchrun. Arguments: a folder for what it finds."""

import sys
from pathlib import Path

import torch

from hwqat import data, models
from hwqat.quant import Scheme
from hwqat.restore import quantised
from hwqat.train import TrainConfig, fit, loop

BATCH = 33  # odd, so that two processes get slices of unlike length


def one_step() -> TrainConfig:
    """Plain SGD, one batch, batch norm frozen: what is left in .grad is the gradient of that batch."""
    return TrainConfig(epochs=1, batch=BATCH, lr=0.01, momentum=0.0, warmup=0.0, freeze_bn=1.0, bn_batches=1)


def few_steps() -> TrainConfig:
    return TrainConfig(epochs=3, batch=BATCH, lr=0.01, freeze_bn=0.3, average=0.9, checkpoint_minutes=0.0)


def few(images: int) -> data.Dataset:
    digits = data.load("digits")
    return data.Dataset(
        "digits",
        digits.train.first(images),
        digits.valid.first(21),
        digits.test.first(21),
        digits.classes,
        digits.grid,
        digits.augment,
    )


def network(seed: int = 0) -> torch.nn.Module:
    """A small DigitNet with a quantiser that learns steps and one that watches ranges."""
    torch.manual_seed(seed)
    scheme = Scheme(weights="lsq", activations="moving-average")
    model = quantised(models.build("digitnet", width=0.5), scheme, data.load("digits"), images=16)
    model.double()  # sums in another order differ by 1e-16, so that any other difference is seen
    model.register_forward_pre_hook(lambda _, images: images[0].double())
    return model


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


class Interrupted(Exception):
    """Stands for lost processes."""


def main(folder: Path) -> None:
    rank = loop.World.join().rank
    model = network(seed=rank)  # unlike weights: rank 0's must win
    result = fit(model, few(BATCH), one_step(), folder / "step", progress=False)
    found = {"gradients": gradients(model), "state": model.state_dict(), "result": vars(result)}

    whole, parts = network(), network()
    fit(whole, few(4 * BATCH), few_steps(), folder / "whole", progress=False)
    real, calls = loop._Trainer.train_step, iter(range(6))

    def step(self, *args):
        if next(calls, None) is None:
            raise Interrupted
        return real(self, *args)

    loop._Trainer.train_step = step
    try:
        fit(parts, few(4 * BATCH), few_steps(), folder / "parts", progress=False)
    except Interrupted:
        found["interrupted"] = (folder / "parts" / "checkpoint.safetensors").exists()
    loop._Trainer.train_step = real
    parts = network(seed=5)
    fit(parts, few(4 * BATCH), few_steps(), folder / "parts", progress=False)
    found |= {"whole": whole.state_dict(), "parts": parts.state_dict()}
    torch.save(found, folder / f"rank{rank}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
