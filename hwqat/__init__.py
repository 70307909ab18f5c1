"""hwqat: from a PyTorch network to an FPGA accelerator that computes exactly what was validated.

    model = hwqat.prepare(model, hwqat.Scheme(), example, grid)   # trains with the hardware's arithmetic
    hwqat.fit(model, dataset, hwqat.TrainConfig(), "runs/mine")
    graph = hwqat.lower(model)                                    # integers: graph.run(frames) is the truth
    hwqat.export(hwqat.make_plan(graph), "build/mine", (frames,))

Without training: `hwqat.quantize(model, calibration_data)`. What is built is checked by `hwqat.csim("build/mine")` and
`hwqat.cosim`; `hwqat.report` writes a page about it.

What is named here is imported when it is first asked for: `hwqat --help` does not wait for torch.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .answers import Checked, Doctored, Evaluated, Reported, Searched, Swept, Synthesised
    from .api import cosim, csim, doctor, evaluate, report, search, sweep, synth
    from .data.dataset import Dataset, Grid, Split
    from .errors import HwqatError
    from .export import export
    from .functions import pointwise
    from .graph import Graph, verify
    from .graph_io import load_graph
    from .lower import lower
    from .passes import Target, make_plan
    from .prepare import PIXELS, prepare
    from .quant import Scheme
    from .quantize import Quantised, quantize
    from .train import TrainConfig, fit, save

__version__ = "0.1.0"
__all__ = [
    "PIXELS",
    "Checked",
    "Dataset",
    "Doctored",
    "Evaluated",
    "Graph",
    "Grid",
    "HwqatError",
    "Quantised",
    "Reported",
    "Scheme",
    "Searched",
    "Split",
    "Swept",
    "Synthesised",
    "Target",
    "TrainConfig",
    "cosim",
    "csim",
    "doctor",
    "evaluate",
    "export",
    "fit",
    "load_graph",
    "lower",
    "make_plan",
    "pointwise",
    "prepare",
    "quantize",
    "report",
    "save",
    "search",
    "sweep",
    "synth",
    "verify",
]

_HOME = {
    "Checked": "answers",
    "Doctored": "answers",
    "Evaluated": "answers",
    "Reported": "answers",
    "Searched": "answers",
    "Swept": "answers",
    "Synthesised": "answers",
    "cosim": "api",
    "csim": "api",
    "doctor": "api",
    "evaluate": "api",
    "report": "api",
    "search": "api",
    "sweep": "api",
    "synth": "api",
    "Dataset": "data.dataset",
    "Split": "data.dataset",
    "Grid": "data.dataset",
    "HwqatError": "errors",
    "export": "export",
    "Graph": "graph",
    "verify": "graph",
    "load_graph": "graph_io",
    "lower": "lower",
    "Target": "passes",
    "make_plan": "passes",
    "pointwise": "functions",
    "PIXELS": "prepare",
    "prepare": "prepare",
    "Scheme": "quant",
    "Quantised": "quantize",
    "quantize": "quantize",
    "TrainConfig": "train",
    "fit": "train",
    "save": "train",
}


class _Package(ModuleType):
    """A package that imports what it is asked for (PEP 562 has the idea)."""

    def __getattr__(self, name: str) -> Any:
        if name in _HOME:
            value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
            self.__dict__[name] = value
            return value
        if not name.startswith("_") and importlib.util.find_spec(f"{__name__}.{name}"):
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        """The import of a module binds it here; `hwqat.export` stays the function, whoever imported its file first."""
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Package
