"""Time of a training step (forward, backward, update) as a multiple of float PyTorch's, eager.

    python benchmarks/qat_step.py [--network resnet20] [--batch 128] [--rounds 15] [--channels-last]

8 bits, SGD, random images. One process; the contenders take turns. hwqat_compiled is what TrainConfig.compile does on
a CPU: quantisers fused by torch.compile, memory in channels-last order; float in that order stands beside it. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from peers import Missing, brevitas, torch_ao
from timing import table, take_turns
from torch import nn

from hwqat.models import NETWORKS, build
from hwqat.prepare import prepare
from hwqat.quant import Scheme, kernels

#: What each has to stay below, as a multiple of float.
BARS = {"hwqat_eager": 1.5, "hwqat_compiled": 1.0}

CHANNELS_LAST = ("float_channels_last", "hwqat_compiled")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=sorted(NETWORKS), default="resnet20")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--channels-last", action="store_true", help="for all of them")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the names in the table; float is always there")
    args = parser.parse_args()

    torch.manual_seed(0)
    net = build(args.network).train()
    memory = torch.channels_last if args.channels_last else torch.contiguous_format
    images = (torch.randint(-128, 128, (args.batch, *net.input_shape)) / 128).contiguous(memory_format=memory)
    labels = torch.randint(0, 10, (args.batch,))
    quantised = prepare(net, Scheme(), images).train()
    makers: dict[str, Callable[[], nn.Module]] = {
        "float": lambda: copy.deepcopy(net),
        "float_channels_last": lambda: copy.deepcopy(net),
        "hwqat_eager": lambda: copy.deepcopy(quantised),
        "hwqat_compiled": lambda: copy.deepcopy(quantised),
        "torch_ao": lambda: torch_ao(net, images),
        "brevitas": lambda: brevitas(net, images),
    }
    steps, notes = {}, []
    for name, make in makers.items():
        if args.only and name not in ("float", *args.only):
            continue
        try:
            order = torch.channels_last if name in CHANNELS_LAST else memory
            model, batch = make().to(memory_format=order), images.contiguous(memory_format=order)
        except Missing as reason:
            notes.append(f"{name}: {reason}")
            continue
        steps[name] = training_step(model, batch, labels, fuse=name == "hwqat_compiled")
        start = time.perf_counter()
        steps[name]()
        if (first := time.perf_counter() - start) > 5:
            notes.append(f"{name}: its first step took {first:.0f} s")

    times = take_turns(steps, args.rounds, warmup=2)
    ratios = {name: times[name].best / times["float"].best if name in times else None for name in makers}
    rows = [
        (
            name,
            f"{t.best * 1e3:.1f}",
            f"{t.typical * 1e3:.1f}",
            f"{ratios[name]:.2f}",
            f"{BARS[name]:.1f}" if name in BARS else "",
        )
        for name, t in times.items()
    ]
    print(
        f"{args.network}, batch {args.batch}, {torch.get_num_threads()} threads, {str(memory).removeprefix('torch.')}, "
        f"best and median of {args.rounds} rounds\n"
    )
    print(table(("", "ms/step", "median", "x float", "bar"), rows))
    for note in notes:
        print(note)
    print(json.dumps({name: ratio and round(ratio, 3) for name, ratio in ratios.items()}))


def training_step(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, fuse: bool) -> Callable[[], None]:
    """fuse: as TrainConfig.compile has it on a CPU."""
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-3, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        with kernels.fused(fuse):
            F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
