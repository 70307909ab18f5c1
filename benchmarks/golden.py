"""Images per second: golden, exact, against float evaluation in PyTorch and against hls4ml's C-simulation.

    python benchmarks/golden.py [--network resnet20] [--images 512] [--rounds 9] [--without-hls4ml]

Weights are random, ranges are calibrated on noise: speed does not ask. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from peers import Missing, hls4ml_csim
from timing import table, take_turns

from hwqat.lower import lower
from hwqat.models import NETWORKS, build
from hwqat.ops import exact
from hwqat.prepare import prepare
from hwqat.quant import Scheme

#: What golden has to reach, as a multiple of each.
BARS = {"float": 1, "hls4ml": 200}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=sorted(NETWORKS), default="resnet20")
    parser.add_argument("--images", type=int, default=512, help="in one batch")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--hls4ml-images", type=int, default=2, help="in one batch of hls4ml")
    parser.add_argument("--without-hls4ml", action="store_true", help="do not build its C-simulation (a minute)")
    args = parser.parse_args()

    torch.manual_seed(0)
    net = warmed(build(args.network))
    images = torch.randint(-128, 128, (args.images, *net.input_shape)) / 128
    graph = lower(prepare(net, Scheme(), images[:64]).eval(), args.network)
    frames = (images * 128).to(torch.int64).permute(0, 2, 3, 1).contiguous().numpy()
    check(graph, frames[:4])

    in_order, channels_last = images, images.contiguous(memory_format=torch.channels_last)
    net_last = build(args.network).eval().to(memory_format=torch.channels_last)
    contenders = {
        "float, NCHW": lambda: evaluate(net, in_order),
        "float, channels last": lambda: evaluate(net_last, channels_last),
        "golden": lambda: graph.run(frames),
    }
    times = take_turns(contenders, args.rounds)
    rates = {name: args.images / t.best for name, t in times.items()}
    typical = {name: args.images / t.typical for name, t in times.items()}
    if not args.without_hls4ml:
        try:
            with tempfile.TemporaryDirectory() as folder:
                predict = hls4ml_csim(net, net.input_shape, Path(folder))
                few = frames[: args.hls4ml_images] / np.float32(128)
                (t,) = take_turns({"hls4ml C-simulation": lambda: predict(few)}, 2, warmup=0).values()
            rates["hls4ml C-simulation"], typical["hls4ml C-simulation"] = len(few) / t.best, len(few) / t.typical
        except Missing as reason:
            print(reason)

    best = max(rates["float, NCHW"], rates["float, channels last"])
    simulated = rates.get("hls4ml C-simulation")
    rows = [
        (name, f"{rate:,.2f}", f"{typical[name]:,.2f}", f"{rates['golden'] / rate:,.2f}")
        for name, rate in rates.items()
    ]
    print(
        f"{args.network}, {torch.get_num_threads()} threads, batch {args.images}, best and median of {args.rounds} rounds\n"
    )
    print(table(("", "images/s", "median", "golden is x times it"), rows))
    print(
        f"\nbars: golden at least {BARS['float']}x the faster float: {verdict(rates['golden'] / best, BARS['float'])}"
        + (
            f"; at least {BARS['hls4ml']}x hls4ml: {verdict(rates['golden'] / simulated, BARS['hls4ml'])}"
            if simulated
            else ""
        )
    )
    print(
        json.dumps(
            {"float_images_per_s": best, "golden_images_per_s": rates["golden"], "hls4ml_images_per_s": simulated}
        )
    )


def warmed(net: torch.nn.Module) -> torch.nn.Module:
    """With batch-norm statistics of some noise, in eval()."""
    with torch.no_grad():
        for _ in range(3):
            net.train()(torch.randn(32, *net.input_shape).clamp_(-1, 1))
    return net.eval()


@torch.inference_mode()
def evaluate(net: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    return net(images)


def check(graph, frames: np.ndarray) -> None:
    """That the fast kernels give what int64 gives, tensor by tensor; says which kernels run."""
    found = graph.run(frames, keep=True)
    used = {}
    for node in graph.nodes:
        for kind in getattr(node.__dict__.get("_convolution"), "kernels", {}):
            used[kind.__name__] = used.get(kind.__name__, 0) + 1
    fast, exact.FAST = exact.FAST, ()
    try:
        wanted = graph.run(frames, keep=True)
    finally:
        exact.FAST = fast
    for name, integers in wanted.items():
        if not np.array_equal(found[name], integers):
            raise SystemExit(f"golden differs from int64 in {name!r}")
    print(f"golden == int64 on {len(frames)} images, all {len(wanted)} tensors; convolutions by kernel: {used}")


def verdict(ratio: float, bar: float) -> str:
    return f"{ratio:.2f}x, {'reached' if ratio >= bar else 'MISSED'}"


if __name__ == "__main__":
    main()
