"""``hwqat onnx``: a RUN or BUILD as an ONNX file that other people's tools read."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from ..errors import HwqatError
from ..folders import write_whole
from .arguments import data_arguments

#: Frames that --check looks at where there are more.
MOST_FRAMES = 2000


def arguments(parser) -> None:
    parser.add_argument("source", metavar="RUN|BUILD", help="folder of a run or of a build, or zoo:NAME")
    parser.add_argument("--out", required=True, metavar="F.onnx", help="file to write")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--qonnx", action="store_true", help="real values with Quant nodes, for hls4ml, FINN and qonnx")
    kind.add_argument(
        "--qdq", action="store_true", help="QuantizeLinear and DequantizeLinear, which onnxruntime runs on integers"
    )
    parser.add_argument(
        "--plain", action="store_true", help="with --qonnx: one multiplier for each input, inexact near ties"
    )
    parser.add_argument(
        "--exact-sums",
        action="store_true",
        help="with --qdq: round nothing that golden adds without rounding it; ConvInteger, at the speed of floats",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="run the file (onnxruntime; qonnx) and compare it with golden: integers, or classes",
    )
    data_arguments(parser)


def run(args):
    from ..interchange import integer_onnx, qdq_onnx, qonnx
    from ..opening import graph_and_frames

    _require_ours(Path(args.out))
    graph, frames = graph_and_frames(args.source, args.data_dir)
    if args.plain and not args.qonnx:
        raise HwqatError("--plain is a way to write QONNX; give --qonnx too")
    if args.exact_sums and not args.qdq:
        raise HwqatError("--exact-sums is a way to write QDQ; give --qdq too")
    kind = "qonnx" if args.qonnx else "qdq" if args.qdq else "integer"
    write = {"qonnx": partial(qonnx, plain=args.plain), "qdq": partial(qdq_onnx, exact_sums=args.exact_sums)}
    model = write.get(kind, integer_onnx)(graph)
    data = model.SerializeToString(deterministic=True)
    result = {"file": args.out, "kind": kind, "bytes": len(data)}
    code, said = 0, ""
    if args.qdq and (floats := _said(model, "hwqat.floats").split()):
        said = f"computed in float, since they read or have more than 8 bits: {', '.join(floats)}\n"
        result["floats"] = floats
    if args.qdq and (saturates := _said(model, "hwqat.saturates").split()):
        said += (
            f"on x86 processors without VNNI {len(saturates)} of its layers need the entry session.x64quantprecision = 1 of "
            "onnxruntime's session options, or their sums saturate\n"
        )
        result["saturates"] = saturates
    if args.check:
        look = {"qonnx": _check_qonnx, "qdq": _check_qdq, "integer": _check_integers}[kind]
        found, code, line = look(model, graph, tuple(x[:MOST_FRAMES] for x in frames))
        result, said = result | found, said + line
    _write(Path(args.out), data)
    print(f"wrote {args.out} ({len(data)} bytes)\n{said}".rstrip())
    return result, code


def _golden(graph, frames) -> tuple:
    out = graph.run(*frames)
    return out if isinstance(out, tuple) else (out,)


def _check_integers(model, graph, frames):
    """Integers that differ between onnxruntime and golden, over all frames and outputs."""
    import numpy as np

    from ..interchange import run_integers

    found = run_integers(model.SerializeToString(), graph, frames)
    wrong = sum(int(np.count_nonzero(ours != truth)) for ours, truth in zip(found, _golden(graph, frames), strict=True))
    said = f"onnxruntime: {len(frames[0])} frames, {wrong} mismatches"
    return {"frames": len(frames[0]), "mismatches": wrong}, int(bool(wrong)), said


def _check_qdq(model, graph, frames):
    """How many frames get another class, and how many of the first output's integers are others'."""
    import numpy as np

    from ..interchange import run_qdq

    y, truth = run_qdq(model.SerializeToString(), graph, frames)[0], _golden(graph, frames)[0]
    out = graph.of("output")[0].out
    differing = int((np.rint(y / out.scale + out.zero_point) != truth).sum())
    other = int((y.reshape(len(y), -1).argmax(1) != truth.reshape(len(y), -1).argmax(1)).sum())
    said = f"onnxruntime: {len(y)} frames, {other} of another class; {differing} of {truth.size} output integers differ"
    return {"frames": len(y), "other_class": other, "differing": differing}, 0, said


def _said(model, key: str) -> str:
    return next((entry.value for entry in model.metadata_props if entry.key == key), "")


def _check_qonnx(model, graph, frames):
    """The first output's largest difference, in steps, and how many frames get another class."""
    import numpy as np

    from ..interchange import run_qonnx

    y, truth = run_qonnx(model, graph, frames)[0], _golden(graph, frames)[0]
    out = graph.of("output")[0].out
    steps = float(np.abs(y / out.scale + out.zero_point - truth).max())
    other = int((y.reshape(len(y), -1).argmax(1) != truth.reshape(len(y), -1).argmax(1)).sum())
    said = f"qonnx: {len(y)} frames, {other} of another class, at most {steps:.3f} steps of the output beside golden"
    return {"frames": len(y), "other_class": other, "steps": steps}, int(steps > 1), said


def _require_ours(path: Path) -> None:
    """HwqatError where something is there that this command did not write: the beginning of its files says so."""
    from ..interchange.build import PRODUCER

    try:
        if not path.is_file():
            if os.path.lexists(path):
                raise HwqatError(f"{path} is no file; choose another --out")
            return
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise HwqatError(f"cannot write {path}: {error.strerror}") from None
    except ValueError as error:
        raise HwqatError(f"cannot write {str(path)!r}: {error}") from None
    if PRODUCER.encode() not in head:
        raise HwqatError(f"{path} exists and was not written by hwqat; choose another --out")


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda temporary: temporary.write_bytes(data))
    except OSError as error:
        raise HwqatError(f"cannot write {path}: {error.strerror}") from None
