"""How fast onnxruntime runs a network's QDQ file, beside the same network in float; one thread, median of several runs.

python benchmarks/qdq.py [RUN ...]    (zoo:resnet20-int8)
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime
import torch

from hwqat.interchange import qdq_onnx
from hwqat.models import build
from hwqat.opening import graph_and_frames

FRAMES, RUNS = 32, 9


def seconds(model: bytes, x: np.ndarray) -> float:
    """Of one call, the median; one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feeds, found = {session.get_inputs()[0].name: x}, []
    for _ in range(RUNS):
        start = time.perf_counter()
        session.run(None, feeds)
        found.append(time.perf_counter() - start)
    return median(found)


def float_model(name: str, shape: tuple[int, ...]) -> bytes:
    """The network before it was quantised, as torch's exporter writes it."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.onnx"
        example = (torch.rand(1, *shape),)
        axes = {"x": {0: "N"}}
        torch.onnx.export(build(name).eval(), example, path, input_names=["x"], dynamic_axes=axes, dynamo=False)
        return path.read_bytes()


def main(runs: list[str]) -> None:
    rows = []
    print(f"{'network':20} {'float':>10} {'QDQ':>10} {'faster':>7}  kernels")
    for run in runs:
        graph, _ = graph_and_frames(run, None)
        height, width, channels = graph.of("input")[0].out.shape
        x = np.random.default_rng(0).random((FRAMES, channels, height, width), np.float32)
        qdq = qdq_onnx(graph)
        times = [
            seconds(model, x) / FRAMES for model in (float_model(graph.name, x.shape[1:]), qdq.SerializeToString())
        ]
        layers = len(graph.of("conv2d")) + len(graph.of("linear"))
        floats = next(p.value for p in qdq.metadata_props if p.key == "hwqat.floats").split()
        rows.append(
            {
                "network": run,
                "float_ms": times[0] * 1e3,
                "qdq_ms": times[1] * 1e3,
                "layers": layers,
                "float_layers": len(floats),
            }
        )
        row = rows[-1]
        print(
            f"{run:20} {row['float_ms']:8.2f} ms {row['qdq_ms']:7.2f} ms {times[0] / times[1]:6.2f}x  {layers - len(floats)} of {layers} layers on integers"
        )
    print(json.dumps({"frames": FRAMES, "rows": rows}))


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore")  # of torch's older exporter
    main(sys.argv[1:] or ["zoo:resnet20-int8", "zoo:mobilenetv2-int8", "zoo:toynet-int8"])
