"""Quantisation-aware training at 4 bits, with the float network as teacher; then the SystemVerilog in simulation.

    python examples/four_bits.py [FOLDER]

writes FOLDER/float, FOLDER/w4 (RUN folders: every command takes them) and FOLDER/build. Minutes on a processor.
"""

import sys
from pathlib import Path

import torch

import hwqat
from hwqat import data, models
from hwqat.restore import restore, to_graph


def main(folder):
    folder = Path(folder)
    dataset = data.load("digits")  # or folder/, file.npz, file.py:make, DataLoaders: docs/data.md
    torch.manual_seed(0)
    net = models.build("digitnet")
    float_result = hwqat.fit(net, dataset, hwqat.TrainConfig(epochs=20, batch=64, lr=0.05), folder / "float")

    scheme = hwqat.Scheme.uniform(4, weights="lsq-mse", activations="lsq")
    example = dataset.to_real(dataset.train.images[:256])
    qat = hwqat.prepare(net, scheme, example, dataset.grid)
    recipe = hwqat.TrainConfig(epochs=10, batch=64, lr=0.01, distill=0.5)
    result = hwqat.fit(qat, dataset, recipe, folder / "w4", teacher=net)
    print(f"float {float_result.test_accuracy:.2f} %, 4 bits {result.test_accuracy:.2f} %")

    model, run = restore(folder / "w4")  # what a command would read
    graph = to_graph(model, run)
    frames = dataset.test.images[:4].permute(0, 2, 3, 1).long().numpy()
    build = hwqat.export(hwqat.make_plan(graph, hwqat.Target(dsp=60)), folder / "build", (frames,))
    found = hwqat.cosim(build)
    print(
        f"co-simulation: {found.frames} frames, {found.mismatches} mismatches, {found.fill_cycles} cycles for the first, "
        f"{found.steady_cycles} for each further one"
    )
    return found.mismatches


if __name__ == "__main__":
    sys.exit(bool(main(*sys.argv[1:] or ["build/examples"])))
