"""C-simulation: export and build time of ResNet20, and frames a second against hls4ml's on the same network.

    python benchmarks/csim.py [--frames 64] [--rounds 5] [--without-hls4ml] [--growth]

The two simulate one small convolutional network at 8 bits for weights and activations; both are one thread.
Seconds are of processor time, so that a busy machine changes neither them nor their ratio much. Weights are
random, ranges calibrated on noise: speed does not ask; hwqat's integers are compared with golden all the same.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from golden import verdict, warmed
from peers import Missing, hls4ml_csim
from timing import table
from torch import Tensor, nn
from tqdm import tqdm

from hwqat.export import export
from hwqat.lower import lower
from hwqat.models import build as build_network
from hwqat.passes import Plan, Target, make_plan
from hwqat.prepare import prepare
from hwqat.quant import Scheme
from hwqat.sim.generated import gxx

#: Most seconds of ResNet20's export, and of its g++ build on two cores; least multiple of hls4ml's frames a second.
EXPORT_BAR, BUILD_BAR, SPEED_BAR = 10, 60, 5
#: ResNet20 at one frame in 2^15 cycles of 200 MHz; the small network within the DSPs of an xc7z020.
RATE, BUDGET = Target(fps=200e6 / 2**15), Target(dsp=220)
CORES = 2


class Small(nn.Module):
    """Three convolutions, batch norms and ReLUs, a pool and a linear layer: 2.8 million MACs."""

    input_shape = (3, 32, 32)

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, stride in ((3, 16, 1), (16, 32, 2), (32, 64, 2)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.pool, self.flatten, self.fc = nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.flatten(self.pool(self.layers(x))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=64, help="in one run of hwqat's C-simulation")
    parser.add_argument("--hls4ml-frames", type=int, default=16, help="in one run of hls4ml's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without-hls4ml", action="store_true", help="do not build its C-simulation (a minute)")
    parser.add_argument("--growth", action="store_true", help="build ResNets of 1, 2, 3 blocks a stage too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        exported, built, layers = large(build_network("resnet20"), "resnet20", work)
        growth = [
            (layers, built),
            *(
                large(shallow(depth), f"resnet{2 + 6 * depth}", work)[:0:-1]
                for depth in ((1, 2) if args.growth else ())
            ),
        ]
        plan, rates = small(args, work)

    print(
        f"resnet20: export {exported:.1f} s, g++ {built:.1f} s of processor time, {built / CORES:.1f} s on {CORES} idle cores"
    )
    if args.growth:
        print(
            "\n"
            + table(
                ("layers", "g++ seconds", "a layer"), [(f"{n}", f"{s:.1f}", f"{s / n:.2f}") for n, s in sorted(growth)]
            )
        )
    print(f"\nsmall network, {plan.macs / 1e6:.2f} million MACs a frame, best of {args.rounds} rounds\n")
    print(
        table(
            ("", "frames/s", "million MACs/s"),
            [(name, f"{rate:,.1f}", f"{rate * plan.macs / 1e6:,.0f}") for name, rate in rates.items()],
        )
    )
    theirs = rates.get("hls4ml")
    bars = [
        f"export at most {EXPORT_BAR} s: {said(exported <= EXPORT_BAR)}",
        f"build at most {BUILD_BAR} s: {said(built / CORES <= BUILD_BAR)}",
    ]
    bars += [f"at least {SPEED_BAR}x hls4ml: {verdict(rates['hwqat'] / theirs, SPEED_BAR)}"] if theirs else []
    print(f"\nbars: {'; '.join(bars)}")
    print(
        json.dumps(
            {
                "export_s": exported,
                "build_s": built / CORES,
                "images_per_s": rates["hwqat"],
                "hls4ml_images_per_s": theirs,
            }
        )
    )


def large(net: nn.Module, name: str, work: Path) -> tuple[float, float, int]:
    """(seconds of plan and export, seconds of g++, layers with weights)."""
    graph = quantised(warmed(net), name)
    start = seconds()
    export(make_plan(graph, RATE), work / name, (noise(net, 1),))
    exported, start = seconds() - start, seconds()
    program = compiled(work / name)
    built = seconds() - start
    simulate(program, work / name)
    return exported, built, len(graph.of("conv2d")) + len(graph.of("linear"))


def shallow(depth: int) -> nn.Module:
    """ResNet20 with fewer blocks a stage."""
    net = build_network("resnet20")
    net.stages = nn.Sequential(*[stage[:depth] for stage in net.stages])
    return net


def small(args: argparse.Namespace, work: Path) -> tuple[Plan, dict[str, float]]:
    """Frames a second of both; the contenders take turns."""
    torch.manual_seed(0)
    net = warmed(Small())
    plan = make_plan(quantised(net, "small"), BUDGET)
    export(plan, work / "small", (noise(net, args.frames),))
    program = compiled(work / "small")
    contenders = {"hwqat": (args.frames, lambda: simulate(program, work / "small"))}
    if not args.without_hls4ml:
        try:
            predict = hls4ml_csim(net, net.input_shape, work / "hls4ml", precision="ap_fixed<8,3>", granularity="name")
            frames = noise(net, args.hls4ml_frames) / np.float32(128)
            contenders["hls4ml"] = (args.hls4ml_frames, lambda: predict(frames))
        except Missing as reason:
            print(reason)
    best = dict.fromkeys(contenders, 0.0)
    for _ in tqdm(range(args.rounds), desc="rounds", leave=False):
        for name, (frames_run, run) in contenders.items():
            start = seconds()
            run()
            best[name] = max(best[name], frames_run / (seconds() - start))
    return plan, best


def compiled(build: Path) -> Path:
    """The C-simulation of a BUILD, nothing of it from a cache."""
    return gxx.build(
        [*sorted((build / "hls").glob("*.cpp")), *sorted((build / "hls" / "blocks").glob("*.cpp"))],
        cache=build / "objects",
    )


def simulate(program: Path, build: Path) -> None:
    """All frames of its vectors; an integer that is not golden's ends the benchmark."""
    done = subprocess.run([program, build / "vectors"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"C-simulation of {build.name} differs from golden: {done.stdout.splitlines()[:1]}")


def quantised(net: nn.Module, name: str):
    """The integer graph of a network that was never trained."""
    images = torch.randint(-128, 128, (64, *net.input_shape)) / 128
    return lower(prepare(net, Scheme(), images).eval(), name)


def noise(net: nn.Module, count: int) -> np.ndarray:
    channels, height, width = net.input_shape
    return np.random.default_rng(0).integers(-128, 128, (count, height, width, channels))


def seconds() -> float:
    """Processor time of this process, its threads and the programs it ran."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def said(reached: bool) -> str:
    return "reached" if reached else "MISSED"


if __name__ == "__main__":
    main()
