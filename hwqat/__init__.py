"""hwqat: from a PyTorch network to an FPGA accelerator that computes exactly what was validated.

    model = hwqat.prepare(model, hwqat.Scheme(), example, grid)   # trains with the hardware's arithmetic
    hwqat.fit(model, dataset, hwqat.TrainConfig(), "runs/mine")
    graph = hwqat.lower(model)                                    # integers: graph.run(frames) is the truth
    hwqat.export(hwqat.make_plan(graph), "build/mine", (frames,))

Without training: `hwqat.quantize(model, calibration_data)`.
"""

from .data.dataset import Grid
from .errors import HwqatError
from .export import export
from .graph import Graph, verify
from .graph_io import load_graph
from .lower import lower
from .passes import Target, make_plan
from .prepare import PIXELS, prepare
from .quant import Scheme
from .quantize import Quantised, quantize
from .train import TrainConfig, fit

__version__ = "0.1.0"
__all__ = [
    "PIXELS",
    "Graph",
    "Grid",
    "HwqatError",
    "Quantised",
    "Scheme",
    "Target",
    "TrainConfig",
    "export",
    "fit",
    "load_graph",
    "lower",
    "make_plan",
    "prepare",
    "quantize",
    "verify",
]
