"""What post-training methods lose, by network and bits: nearest rounding, equalised and corrected, AdaRound, BRECQ with QDrop.

    python benchmarks/posttraining.py [RUN ...] [--bits 8,6,4] [--methods nearest,corrected,adaround,brecq] [--iterations 2000] [--data-dir .data]

RUN is a float RUN, or one whose float weights are taken (zoo:NAME too); by default the 8-bit ResNet20, ToyNet and MobileNetV2 that
ship. 1,024 training images without labels; weights have a step for each channel (M absorbs it), first and last layer 8 bits.
Accuracies are of golden's integers, as eval() gives them, over all test images (--limit N: the first). Seconds are of the method alone, wall time
on --threads threads. Prints a table and one JSON object on the last line:
{images, iterations, threads, rows: [{run, network, bits, method, float, accuracy, lost, seconds}]}.
"""

from __future__ import annotations

import argparse
import json
import time

import torch
from timing import table

import hwqat
from hwqat import data, zoo
from hwqat.posttraining import Reconstruction
from hwqat.quant import Scheme
from hwqat.restore import float_weights
from hwqat.train import accuracy

RUNS = ("zoo:resnet20-int8", "zoo:toynet-int8", "zoo:mobilenetv2-int8")
SCHEME = {"weights": "lsq-mse", "activations": "lsq", "per_channel": True, "rescale": "16", "relu6_as_relu": True}
#: By name: arguments of hwqat.quantize.
METHODS = {
    "nearest": {},
    "corrected": {"equalise_channels": True, "correct_means": True},
    "adaround": {"method": "adaround"},
    "brecq": {"method": "brecq"},
}
IMAGES = 1024


def measure(run: str, bits: int, method: str, args) -> dict:
    model, card = float_weights(zoo.find(run))
    model = model.to(memory_format=torch.channels_last).eval()
    dataset = data.load(card.data, args.data_dir)
    images = dataset.to_real(dataset.train.images[:IMAGES])
    scheme = Scheme.from_dict(SCHEME | {"weight_bits": bits, "act_bits": bits, "residual_bits": args.residual_bits})
    start = time.monotonic()
    made = hwqat.quantize(model, images.split(128), scheme, dataset.grid, reconstruction=Reconstruction(args.iterations),
                          **METHODS[method])  # fmt: skip
    seconds = time.monotonic() - start
    test = dataset.test.first(args.limit)
    in_float, reached = (accuracy(net, test, dataset.grid) for net in (model, made.model))
    return {"run": run, "network": card.net, "bits": bits, "method": method, "float": in_float, "accuracy": reached,
            "lost": in_float - reached, "seconds": seconds}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", default=list(RUNS), metavar="RUN")
    parser.add_argument("--bits", default="8,6,4")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--iterations", type=int, default=Reconstruction.iterations)
    parser.add_argument("--residual-bits", type=int, default=0)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--data-dir", default=".data")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = []
    for run in args.runs:
        for bits in map(int, args.bits.split(",")):
            for method in args.methods.split(","):
                rows.append(measure(run, bits, method, args))
                row = rows[-1]
                print(f"{run} {bits} bits {method}: {row['lost']:.2f} lost, {row['seconds']:.0f} s", flush=True)
    print(table(
        ("", "bits", "method", "float", "integers", "lost", "seconds"),
        [(r["network"], str(r["bits"]), r["method"], f"{r['float']:.2f}", f"{r['accuracy']:.2f}", f"{r['lost']:.2f}", f"{r['seconds']:.0f}") for r in rows],
    ))  # fmt: skip
    print(
        json.dumps(
            {
                "images": len(data.load("cifar10", args.data_dir).test.first(args.limit)),
                "iterations": args.iterations,
                "threads": args.threads,
                "rows": rows,
            }
        )
    )


if __name__ == "__main__":
    main()
