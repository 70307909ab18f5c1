"""A trained float network to hardware, without training: quantise, look at the integers, export, simulate the C++.

    python examples/from_float.py [FOLDER]

writes FOLDER/build (build/examples unless given). Your own network and your own batches stand for those of here.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hwqat


def network():
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(96, 10),
    )  # fmt: skip


def data():
    """Training and test batches; pixels in [0, 1], as ToTensor gives them."""
    digits, labels = load_digits(return_X_y=True)
    pixels = torch.from_numpy(digits).float().reshape(-1, 1, 8, 8) * 15 / 255
    parts = [TensorDataset(pixels[a:b], torch.from_numpy(labels[a:b])) for a, b in ((0, 1400), (1400, 1797))]
    return DataLoader(parts[0], 64, shuffle=True), DataLoader(parts[1], 397)


def train(net, loader, epochs=10):
    """Yours is trained already."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    for _ in range(epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(images), labels).backward()
            optimizer.step()
    return net.eval()


def main(folder):
    torch.manual_seed(0)
    torch.set_num_threads(1)  # these images are tiny
    train_loader, test_loader = data()
    net = train(network(), train_loader)

    made = hwqat.quantize(net, train_loader, evaluation_data=test_loader, grid=hwqat.PIXELS, name="example")
    print(f"float {made.float_accuracy:.1f} %, integers {made.accuracy:.1f} % of {made.images} images")

    images, labels = next(iter(test_loader))
    frames = (images * 255).round().permute(0, 2, 3, 1).long().numpy()  # integers (N, H, W, C), as a camera has them
    logits = made.graph.run(frames)  # what every engine is held to
    print(f"the first image is a {labels[0]}; its logits are {logits[0].ravel().tolist()}")

    plan = hwqat.make_plan(made.graph, hwqat.Target(board="pynq-z2", fps=100_000))
    print(
        f"{plan.cycles} cycles a frame, {plan.rate:,.0f} frames/s, {plan.resources.dsp} DSPs, {plan.resources.lut:,} LUTs"
    )
    build = hwqat.export(plan, Path(folder) / "build", (frames[:16],))
    result = hwqat.csim(build)
    print(f"C-simulation: {result.frames} frames, {result.mismatches} mismatches")
    return result.mismatches


if __name__ == "__main__":
    sys.exit(bool(main(*sys.argv[1:] or ["build/examples"])))
