"""Which board takes a network, how fast, and what limits it: before any training.

    python examples/which_board.py

The network is an ordinary float one, with random weights: bits, shapes and layers decide, not their values.
"""

import torch
from torch import nn

import hwqat
from hwqat.boards import BOARDS


class Net(nn.Module):
    """A keyword spotter's size: 32 x 32 images of one channel, 12 classes."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.mix = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.BatchNorm2d(16), nn.ReLU())
        self.up = nn.Sequential(nn.Conv2d(16, 32, 1), nn.BatchNorm2d(32), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 12))

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.up(self.mix(x) + x))


def main():
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (64, 1, 32, 32)) / 255
    model = hwqat.prepare(Net(), hwqat.Scheme.uniform(8), pixels, hwqat.PIXELS).eval()
    graph = hwqat.lower(model)
    print(f"{'board':14}{'frames/s':>12}{'DSP':>7}{'LUT':>7}{'block RAM':>11}  limited by")
    for name in BOARDS:
        plan = hwqat.make_plan(graph, hwqat.Target(board=name, clock_mhz=100))
        used = plan.shares
        print(f"{name:14}{plan.rate:12,.0f}{used['dsp']:6.0f}%{used['lut']:6.0f}%{used['bram']:10.0f}%  {plan.limit}")


if __name__ == "__main__":
    main()
