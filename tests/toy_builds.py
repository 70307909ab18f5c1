"""Builds without training and without back ends: graphs of random constants, written as a BUILD folder."""

import json

import numpy as np

from hwqat.fixed import Fixed
from hwqat.folders import write_folder
from hwqat.graph import Graph, verify
from hwqat.graph_io import graph_files
from hwqat.manifest import MANIFEST, load_manifest, manifest_file
from hwqat.ops import Conv2d, Flatten, Geometry, Input, Linear, Output, Requant, SumPool
from hwqat.passes import Target, make_plan
from hwqat.passes.report import plan_json
from hwqat.vectors import vector_files

SAME = Geometry((3, 3), padding=(1, 1, 1, 1))


class Net:
    """Appends layers with random constants; remembers nodes."""

    def __init__(self, name, shape, lo, hi, seed=0):
        self.name, self.rng, self.count = name, np.random.default_rng(seed), 0
        self.nodes = [Input.make("x", shape, lo=lo, hi=hi, scale=1 / 128)]

    def add(self, node):
        self.nodes.append(node)
        return node.out

    def conv(self, x, channels, geometry, bits=8, groups=1, module=""):
        top = (1 << (bits - 1)) - 1
        weight = np.clip(
            np.rint(self.rng.normal(0, top / 3, (channels, *geometry.kernel, x.channels // groups))), -top, top
        )
        self.count += 1
        return self.add(
            Conv2d.make(
                f"conv{self.count}", x, weight, weight_bits=bits, geometry=geometry, groups=groups, module=module
            )
        )

    def requant(self, xs, lo=0, hi=255, module=""):
        """M maps about three standard deviations of the (worst-case) range onto the output's."""
        self.count += 1
        reach = sum(max(-x.lo, x.hi) for x in xs) / 4
        form = Fixed(16, int(np.floor(np.log2(hi / reach))) + 3)
        m = np.rint(hi / reach * 2.0**form.frac * self.rng.uniform(0.7, 1.3, (len(xs), xs[0].channels)))
        b = np.rint(self.rng.normal(0, hi / 8, xs[0].channels) * 2**6)
        return self.add(
            Requant.make(
                f"requant{self.count}",
                xs,
                m,
                b,
                factor_forms=[form] * len(xs),
                bias_form=Fixed(16, 10),
                lo=lo,
                hi=hi,
                scale=1 / 16,
                module=module,
            )
        )

    def basic(self, x, channels, stride, module):
        geometry = Geometry((3, 3), (stride, stride), padding=(1, 1, 1, 1))
        y = self.requant([self.conv(x, channels, geometry, module=module)], module=module)
        y = self.conv(y, channels, SAME, module=module)
        if stride != 1 or channels != x.channels:
            x = self.requant(
                [self.conv(x, channels, Geometry((1, 1), (stride, stride)), module=module)], -127, 127, module
            )
        return self.requant([y, x], module=module)

    def finish(self, x, meta):
        x = self.add(SumPool.make("pool", x, Geometry(x.shape[:2]), module="head"))
        x = self.requant([x], module="head")
        x = self.add(Flatten.make("flat", x, module="head"))
        weight = np.clip(np.rint(self.rng.normal(0, 40, (len(meta["classes"]), x.channels))), -127, 127)
        x = self.add(Linear.make("fc", x, weight, weight_bits=8, module="head"))
        self.add(Output.make("logits", x, module="head"))
        return verify(Graph(self.name, tuple(self.nodes), meta))


def resnet(size=32, channels=3, widths=(16, 32, 64), depth=3, name="resnet20"):
    """ResNet20's shape with random constants."""
    net = Net(name, (size, size, channels), -128, 127)
    x = net.requant([net.conv(net.nodes[0].out, widths[0], SAME, module="stem")], module="stem")
    for stage, width in enumerate(widths):
        for block in range(depth):
            x = net.basic(x, width, 2 if stage and not block else 1, f"stages.{stage}.{block}")
    classes = ["aeroplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "lorry"]
    return net.finish(
        x, {"net": name, "data": "cifar10", "classes": classes, "accuracy": {"valid": 91.2, "test": 90.96}}
    )


def write_build(graph, out, frames=32, dsp=220, labels=True, seed=1):
    """A BUILD folder as export would write it, less hls/ and rtl/."""
    rng = np.random.default_rng(seed)
    plan = make_plan(graph, Target(dsp=dsp), size=lambda network: network)  # depths take long and change no page
    x = graph.of("input")[0].out
    smooth = np.cumsum(np.cumsum(rng.normal(0, x.hi / 14, (frames, *x.shape)), axis=1), axis=2)
    images = np.clip(np.rint(smooth), x.lo, x.hi).astype(np.int64)
    golden = graph.run(images)
    classes = golden.reshape(frames, -1).argmax(axis=1)
    classes[::5] = (classes[::5] + 1) % 10
    files = dict(graph_files(graph))
    files |= vector_files(
        {plan.network.inputs[0].name: images}, {plan.network.outputs[0].name: golden}, classes if labels else None
    )
    files["report/plan.json"] = json.dumps(plan_json(plan))
    return write_folder(out, files, "build")


def reseal(build):
    """A new manifest of the files that there are: as if they had been exported like that."""
    files = {name: (build / name).read_bytes() for name in load_manifest(build).files if (build / name).is_file()}
    (build / MANIFEST).write_bytes(manifest_file("build", files))
    return build


def write_run(out, width=0.5, **scheme):
    """A RUN folder of a DigitNet that was never trained (its batch norms have seen some digits): quick, and good
    enough wherever integers are compared with integers."""
    import torch

    from hwqat import data, models
    from hwqat.quant import Scheme
    from hwqat.restore import quantised
    from hwqat.runs import Run
    from hwqat.runs.save import save_run

    torch.manual_seed(0)
    digits, net = data.load("digits"), models.build("digitnet", width=width)
    with torch.no_grad():
        net.train()(digits.to_real(digits.train.images[:256]))
    model = quantised(net.eval(), Scheme(**scheme), digits).eval()
    run = Run("digitnet", "digits", {}, 0, 0, net_kwargs={"width": width}, accuracy={"test": 10.0})
    save_run(out, run, model, digits)
    return out
