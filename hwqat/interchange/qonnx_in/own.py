"""Files that hwqat wrote: their graph is taken as it was, with its multipliers and shifts.

The nodes of an integer ONNX file, or the digits of a QONNX file, say the same in a form that is made for executors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from hwqat.graph import Graph
from hwqat.naming import shown

from ..inside import found
from ..integers import integer_onnx
from ..qdq_out import qdq_onnx
from ..qonnx_out import qonnx
from ..runtime import run_integers, run_qdq, run_qonnx
from .execution import FRAMES, Agreement, random_frames
from .summary import rows

WRITERS = {
    "integer": integer_onnx,
    "qonnx": qonnx,
    "qonnx-plain": partial(qonnx, plain=True),
    "qdq": qdq_onnx,
    "qdq-exact": partial(qdq_onnx, exact_sums=True),
}
_CALLED = {
    "integer": "integer ONNX",
    "qonnx": "QONNX",
    "qonnx-plain": "plain QONNX",
    "qdq": "QDQ",
    "qdq-exact": "QDQ with exact sums",
}


@dataclass(frozen=True, eq=False)
class Own:
    """A file that says that hwqat wrote it. graph: None where its nodes are not what hwqat writes of the graph in it."""

    model: object
    kind: str
    graph: Graph | None

    def takes(self, grid) -> bool:
        """Whether what arrives is what the graph reads."""
        if grid is None:
            return True
        inputs = [node.out for node in self.graph.of("input")]
        return all((x.lo, x.hi, x.scale, x.zero_point) == (grid.lo, grid.hi, grid.scale, 0) for x in inputs)

    def reason(self, grid) -> str:
        """Behind a sentence that says why the nodes cannot be read either."""
        what = f"; hwqat's {_CALLED.get(self.kind, shown(self.kind))} files carry their graph, which was not taken, because "
        if self.graph is None:
            return f"{what}the nodes are not what this version writes of it: the file was changed, or another version wrote it"
        x = self.graph.of("input")[0].out
        return f"{what}its input has integers of {x.lo}..{x.hi} in steps of {x.scale:g}; leave --input and --data out"

    def agreement(self) -> Agreement:
        """The file beside the graph, on random frames."""
        graph = self.graph
        frames = random_frames(graph)
        golden = graph.run(*frames)
        golden = golden if isinstance(golden, tuple) else (golden,)
        outs = [node.out for node in graph.of("output")]
        if self.kind == "integer":
            made = run_integers(self.model.SerializeToString(), graph, frames)
        else:
            reals = (
                run_qdq(self.model.SerializeToString(), graph, frames)
                if self.kind.startswith("qdq")
                else run_qonnx(self.model, graph, frames)
            )
            made = [np.rint(y / out.scale + out.zero_point) for y, out in zip(reals, outs)]
        differing = sum(int((ours != truth).sum()) for ours, truth in zip(made, golden, strict=True))
        return Agreement(
            FRAMES,
            len(outs),
            sum(y.size for y in golden),
            differing,
            "another integer in the file, which rounds in its own way",
        )

    def summary(self) -> tuple[str, ...]:
        head = f"{len(self.model.graph.node)} nodes of hwqat's own {_CALLED[self.kind]}, which are what it writes of the graph inside"
        return (head, *rows(self.graph))


def written(model, where: str) -> Own | None:
    """What a file says of itself; None: hwqat did not write it."""
    said = found(model, WRITERS, where)
    return None if said is None else Own(model, *said)
