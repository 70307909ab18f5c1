"""``hwqat onnx``: a RUN or BUILD as an ONNX file that other people's tools read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import HwqatError
from ..runs import write_whole
from .common import data_arguments, graph_and_frames

HELP = "write a RUN or BUILD as ONNX: standard integer operators"
#: Frames that --check looks at where there are more.
MOST_FRAMES = 2000


def arguments(parser) -> None:
    parser.add_argument("source", metavar="RUN|BUILD", help="folder of a run or of a build, or zoo:NAME")
    parser.add_argument("--out", required=True, metavar="F.onnx", help="file to write")
    parser.add_argument("--check", action="store_true", help="run the file in onnxruntime and compare every output with golden")
    data_arguments(parser)


def run(args):
    from ..interchange import integer_onnx

    graph, frames = graph_and_frames(args.source, args.data_dir)
    model = integer_onnx(graph).SerializeToString(deterministic=True)
    result = {"file": args.out, "kind": "integer", "bytes": len(model)}
    if args.check:
        result |= _check(model, graph, [x[:MOST_FRAMES] for x in frames])
    _write(Path(args.out), model)
    print(f"wrote {args.out} ({len(model)} bytes)")
    if args.check:
        print(f"onnxruntime: {result['frames']} frames, {result['mismatches']} mismatches")
    return result, int(bool(result.get("mismatches")))


def _check(model: bytes, graph, frames) -> dict:
    """Integers that differ between onnxruntime and golden, over all frames and outputs."""
    from ..interchange import run_integers

    golden = graph.run(*frames)
    golden = golden if isinstance(golden, tuple) else (golden,)
    found = run_integers(model, graph, frames)
    wrong = sum(int(np.count_nonzero(ours != truth)) for ours, truth in zip(found, golden, strict=True))
    return {"frames": len(frames[0]), "mismatches": wrong}


def _write(path: Path, model: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda temporary: temporary.write_bytes(model))
    except OSError as error:
        raise HwqatError(f"cannot write {path}: {error.strerror}") from None
