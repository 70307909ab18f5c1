"""How fast onnxruntime runs a network's QDQ file, beside the same network in float; one thread, all in turn.

python benchmarks/qdq.py [RUN[=FILE.onnx] ...]    (zoo:resnet20-int8 zoo:toynet-int8 zoo:mobilenetv2-int8)

FILE.onnx is timed beside them, as the one that an older version wrote. Seconds are the processor's, the median of many
calls; differences are those of the RUN's own frames to golden's integers and classes.
"""

import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

import numpy as np
import onnx
import onnxruntime
import torch

from hwqat.interchange import qdq_onnx, run_qdq
from hwqat.models import build
from hwqat.opening import graph_and_frames

FRAMES, RUNS = 32, 15
#: What computes a layer on floats.
FLOATS = ("Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul")


def opened(model: bytes) -> tuple[onnxruntime.InferenceSession, Counter]:
    """A session of one thread, and the kernels that it runs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        kernels = Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)
    return session, kernels


def seconds(sessions: dict, x: np.ndarray) -> dict[str, float]:
    """Of a frame, the processor's, in turn."""
    found = {name: [] for name in sessions}
    for _ in range(RUNS):
        for name, session in sessions.items():
            feeds = {session.get_inputs()[0].name: x}
            start = time.thread_time()
            session.run(None, feeds)
            found[name].append((time.thread_time() - start) / len(x))
    return {name: median(times) for name, times in found.items()}


def float_model(name: str, shape: tuple[int, ...]) -> bytes:
    """The network before it was quantised, as torch's exporter writes it."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.onnx"
        example = (torch.rand(1, *shape),)
        axes = {"x": {0: "N"}}
        torch.onnx.export(build(name).eval(), example, path, input_names=["x"], dynamic_axes=axes, dynamo=False)
        return path.read_bytes()


def differences(model: bytes, graph, frames) -> dict:
    """Of the frames' classes, and of the first output's integers."""
    (y,), truth, out = run_qdq(model, graph, frames), graph.run(*frames), graph.of("output")[0].out
    classes = [v.reshape(len(v), -1).argmax(1) for v in (y, truth)]
    other = int((classes[0] != classes[1]).sum())
    return {
        "frames": len(y),
        "other_class": other,
        "steps": float(np.abs(y / out.scale + out.zero_point - truth).max()),
    }


def measured(run: str, older: str) -> dict:
    graph, frames = graph_and_frames(run, None)
    height, width, channels = graph.of("input")[0].out.shape
    x = np.random.default_rng(0).random((FRAMES, channels, height, width), np.float32)
    models = {"float": float_model(graph.name, x.shape[1:])}
    models |= {"older": Path(older).read_bytes()} if older else {}
    models |= {
        "qdq": qdq_onnx(graph).SerializeToString(),
        "exact": qdq_onnx(graph, exact_sums=True).SerializeToString(),
    }
    opens = {name: opened(model) for name, model in models.items()}
    times = seconds({name: session for name, (session, _) in opens.items()}, x)
    row = {"network": run, "layers": len(graph.of("conv2d")) + len(graph.of("linear"))}
    for name, spent in times.items():
        row[name] = {"ms": spent * 1e3, "of_float": spent / times["float"]}
        if name != "float":
            row[name] |= {"float_layers": sum(opens[name][1][op] for op in FLOATS)}
            row[name] |= differences(models[name], graph, frames)
    return row


def main(runs: list[str]) -> None:
    rows = []
    print(f"{'network':22} {'file':6} {'ms/frame':>9} {'of float':>9}  layers in float  frames of another class")
    for run in runs:
        rows.append(measured(*run.partition("=")[::2]))
        for name in ("float", "older", "qdq", "exact"):
            if name not in rows[-1]:
                continue
            row = rows[-1][name]
            more = "" if name == "float" else f"  {row['float_layers']:15}  {row['other_class']} of {row['frames']}"
            print(f"{run.partition('=')[0]:22} {name:6} {row['ms']:9.3f} {row['of_float']:8.2f}x{more}", flush=True)
    print(json.dumps({"frames": FRAMES, "rows": rows}))


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore")  # of torch's older exporter
    main(sys.argv[1:] or ["zoo:resnet20-int8", "zoo:toynet-int8", "zoo:mobilenetv2-int8"])
