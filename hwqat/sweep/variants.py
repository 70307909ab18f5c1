"""The trained network of a RUN under other schemes: read once, its weights shared by all variants."""

from __future__ import annotations

from pathlib import Path

from ..graph import Graph
from ..nn.model import QatModel
from ..quant import Scheme
from ..restore import to_graph, variant
from ..runs.contents import load_contents
from ..runs.rebuild import rebuild


class Variants:
    """What `hwqat.restore.restore` gives for one scheme, for many."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.contents = load_contents(folder)
        self.own = rebuild(self.contents)
        self.run, self.scheme = self.contents.run, self.own.scheme

    def model(self, scheme: Scheme) -> QatModel:
        """In eval(), with the trained weights, batch norms and ranges."""
        return variant(self.contents, self.own, scheme)

    def graph(self, scheme: Scheme) -> Graph:
        return to_graph(self.model(scheme), self.run)
