"""What FINN's front end makes of hwqat's QONNX: is it read, does it still compute golden's classes?

    git clone -b dev https://github.com/Xilinx/finn
    python benchmarks/read_by_finn.py finn [--networks zoo:digitnet-int8 ...]

Runs what FINN's builder runs up to its step_tidy_up: qonnx's cleanup, FINN's ConvertQONNXtoFINN, and the passes of
tidying, by the qonnx package that is installed; so the checkout must be of a FINN for that one (qonnx 1.0: the branch
dev). No Vitis, no Docker. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import warnings
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np
from timing import table

from hwqat.interchange import qonnx, run_qonnx
from hwqat.opening import graph_and_frames

NETWORKS = ("zoo:digitnet-int8", "zoo:digitnet-int4", "zoo:resnet20-int8")
FORMS = {"exact": False, "plain": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("finn", type=Path, help="folder of a FINN checkout")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, metavar="RUN|BUILD")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--data-dir", help="where the data set's files lie, for one that needs files")
    args = parser.parse_args()
    convert = converter(args.finn)

    found = []
    for name in args.networks:
        graph, frames = graph_and_frames(name, args.data_dir)
        frames = tuple(x[: args.images] for x in frames)
        for form, plain in FORMS.items():
            found.append({"network": name, "form": form} | look(convert, graph, frames, qonnx(graph, plain)))
    rows = [(f"{f['network']}, {f['form']}", *(str(f.get(key, "-")) for key in COLUMNS)) for f in found]
    print(table(("", *COLUMNS.values()), rows))
    for f in found:
        if f["left"]:
            print(f"{f['network']}, {f['form']}: Quants that FINN leaves as they are: {', '.join(f['left'])}")
        if "refused" in f:
            print(f"{f['network']}, {f['form']}: refused: {f['refused']}")
    print(json.dumps({"images": args.images, "files": found}))


COLUMNS = {
    "quants": "Quants of activations",
    "thresholds": "become MultiThreshold",
    "images": "images",
    "other_class": "of another class",
    "steps": "steps beside golden",
    "steps_before": "before FINN",
}


def converter(checkout: Path):
    """FINN's ConvertQONNXtoFINN, from a checkout."""
    os.environ.setdefault("FINN_ROOT", str(checkout))
    sys.path.insert(0, str(checkout / "src"))
    try:
        return importlib.import_module("finn.transformation.qonnx.convert_qonnx_to_finn").ConvertQONNXtoFINN
    except ImportError as error:
        reason = f"no FINN can be imported from {checkout} ({error}); give the folder of a checkout"
        raise SystemExit(reason) from None


def look(convert, graph, frames, model) -> dict:
    """One file: how many Quants become thresholds, and what the result computes."""
    from qonnx.core.modelwrapper import ModelWrapper

    weights = {constant.name for constant in model.graph.initializer}
    found = {"quants": sum(n.op_type == "Quant" and n.input[0] not in weights for n in model.graph.node), "left": []}
    try:
        with warnings.catch_warnings(action="ignore"):
            made = front_end(convert, ModelWrapper(model, make_deepcopy=True))
    except (ValueError, RuntimeError, AssertionError) as error:  # what its passes say "no" with
        return found | {"refused": str(error)}
    except TypeError as error:
        reason = f"this FINN is for another qonnx than {version('qonnx')} ({error}); take its branch dev"
        raise SystemExit(reason) from None
    left = made.get_nodes_by_op_type("Quant")
    bits = [int(made.get_initializer(node.input[3]).item()) for node in left]
    places = Counter(f"{node.doc_string or node.name} ({b} bits)" for node, b in zip(left, bits))
    found["left"] = [f"{count} in {place}" for place, count in places.items()]
    found["thresholds"] = len(made.get_nodes_by_op_type("MultiThreshold"))
    with warnings.catch_warnings(action="ignore"):
        before, after = (run_qonnx(m, graph, frames)[0] for m in (model, made.model))
    golden = graph.run(*frames)
    golden, out = golden[0] if isinstance(golden, tuple) else golden, graph.of("output")[0].out
    classes = [y.reshape(len(y), -1).argmax(1) for y in (after, golden)]
    steps = [float(np.abs(y / out.scale + out.zero_point - golden).max()) for y in (before, after)]
    return found | {
        "images": len(golden),
        "other_class": int((classes[0] != classes[1]).sum()),
        "steps_before": round(steps[0], 3),
        "steps": round(steps[1], 3),
    }


def front_end(convert, wrapper):
    """FINN's step_qonnx_to_finn and step_tidy_up, by the passes that they name."""
    from qonnx.transformation import fold_constants, general, infer_datatypes, infer_shapes
    from qonnx.util.cleanup import cleanup_model

    wrapper = cleanup_model(wrapper).transform(convert())
    for tidy in (
        infer_shapes.InferShapes,
        fold_constants.FoldConstants,
        general.GiveUniqueNodeNames,
        general.GiveReadableTensorNames,
        infer_datatypes.InferDataTypes,
        general.RemoveStaticGraphInputs,
    ):
        wrapper = wrapper.transform(tidy())
    return wrapper


if __name__ == "__main__":
    main()
