"""``hwqat import``: a quantised ONNX file (QONNX, QDQ, QCDQ, QOperator) as a folder with the integer graph, which ``hwqat export`` takes."""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import asdict

from ..errors import HwqatError
from ..folders import write_folder
from ..names import DATASETS
from .arguments import data_arguments


class _ListOps(argparse.Action):
    """Says what is taken, and ends."""

    def __call__(self, parser, namespace, values, option_string=None):
        from ..interchange import operators

        with contextlib.suppress(BrokenPipeError):  # `| head`
            print(
                "operators that are taken, their inputs, and what is read of their attributes:", *operators(), sep="\n"
            )
        parser.exit()


def arguments(parser) -> None:
    parser.add_argument("file", metavar="F.onnx", help="QONNX, QDQ, QCDQ or QOperator file")
    parser.add_argument(
        "--out", required=True, metavar="GRAPH", help="folder to write; an earlier one there is replaced"
    )
    parser.add_argument("--data", metavar="NAME", help=f"data set whose images it takes: {', '.join(DATASETS)}")
    data_arguments(parser, own=False)
    parser.add_argument(
        "--input",
        metavar="I",
        help="the integers that arrive, instead of a data set: uint8, int8:1/128, uint8:1/255, ...",
    )
    parser.add_argument("--list-ops", action=_ListOps, nargs=0, help="say which operators are taken, and end")
    parser.add_argument(
        "--no-check", action="store_true", help="do not execute the file itself beside the graph, tensor by tensor"
    )


def run(args):
    from .. import data as datasets
    from ..graph_io import graph_files
    from ..interchange import grid_of, read_qonnx

    if args.input is not None and args.data is not None:
        raise HwqatError("--input and --data both say what arrives; leave one of them out")
    dataset = None if args.data is None else datasets.load(args.data, args.data_dir)
    meta = {} if dataset is None else {"data": dataset.name, "classes": list(dataset.classes)}
    grid = grid_of(args.input) if args.input is not None else None if dataset is None else dataset.grid
    read = read_qonnx(args.file, grid, meta=meta, check=not args.no_check)
    graph = read.graph
    write_folder(args.out, graph_files(graph), "graph")
    macs = sum(node.macs(graph.ins(node)) for node in graph.nodes)
    print("\n".join(read.summary))
    print(f"wrote {args.out}: {len(graph.nodes)} nodes, {macs} multiply-accumulates a frame")
    print(read.agreement or "not executed beside the graph (--no-check)")
    agreement = None if read.agreement is None else asdict(read.agreement)
    return {"graph": args.out, "nodes": len(graph.nodes), "macs": macs, "agreement": agreement}, 0
