"""``hwqat import``: a QONNX file as a folder with the integer graph, which ``hwqat export`` takes."""

from __future__ import annotations

from dataclasses import asdict

from .. import data as datasets
from ..folders import write_folder
from ..graph_io import graph_files
from .common import data_arguments


def arguments(parser) -> None:
    parser.add_argument("file", metavar="F.onnx", help="QONNX file")
    parser.add_argument(
        "--out", required=True, metavar="GRAPH", help="folder to write; an earlier one there is replaced"
    )
    parser.add_argument(
        "--data", metavar="NAME", help=f"data set whose images it takes: {', '.join(datasets.DATASETS)}"
    )
    data_arguments(parser, own=False)
    parser.add_argument(
        "--no-check", action="store_true", help="do not execute the file itself beside the graph, tensor by tensor"
    )


def run(args):
    from ..interchange import read_qonnx

    dataset = None if args.data is None else datasets.load(args.data, args.data_dir)
    meta = {} if dataset is None else {"data": dataset.name, "classes": list(dataset.classes)}
    read = read_qonnx(args.file, None if dataset is None else dataset.grid, meta=meta, check=not args.no_check)
    graph = read.graph
    write_folder(args.out, graph_files(graph), "graph")
    macs = sum(node.macs(graph.ins(node)) for node in graph.nodes)
    print(f"wrote {args.out}: {len(graph.nodes)} nodes, {macs} multiply-accumulates a frame")
    print(read.agreement or "not executed beside the graph (--no-check)")
    agreement = None if read.agreement is None else asdict(read.agreement)
    return {"graph": args.out, "nodes": len(graph.nodes), "macs": macs, "agreement": agreement}, 0
