"""The trained network of a RUN under other schemes: traced once, its weights shared by all variants."""

from __future__ import annotations

from pathlib import Path

from .. import models
from ..data import Dataset
from ..graph import Graph
from ..nn.model import QatModel
from ..prepare import build
from ..quant import Scheme
from ..restore import adapt, bits_of, to_graph
from ..runs import MODEL, load_run, load_weights
from ..tracing import read


class Variants:
    """What `hwqat.restore.restore` gives for one scheme, quickly for many."""

    def __init__(self, folder: str | Path, dataset: Dataset) -> None:
        self.folder, self.dataset = Path(folder), dataset
        self.run, self.state = load_run(folder)
        network = models.build(self.run.net, **self.run.net_kwargs).eval()
        self.reading = read(network, dataset.to_real(dataset.train.images[:2]))
        self.scheme = Scheme.from_dict(self.run.scheme)
        self.trained = bits_of(self._placed(self.scheme))

    def model(self, scheme: Scheme) -> QatModel:
        """In eval(), with the trained weights, batch norms and ranges."""
        model = self._placed(scheme)
        load_weights(model, self.state, self.folder / MODEL)
        adapt(model, self.trained)
        return model.eval()

    def _placed(self, scheme: Scheme) -> QatModel:
        return build(self.reading, scheme, self.dataset.grid)

    def graph(self, scheme: Scheme) -> Graph:
        return to_graph(self.model(scheme), self.run, self.dataset)
