"""The front end's table, filled: one file for each kind of call.

Each says how PyTorch spells it, what it computes in float, what it does to signs and windows, and where quantisers
stand around it (`hwqat.tracing.table.Kind`). An operator of one's own does the same in a file of its own:

    @spelled("nn.functional.interpolate")
    def read_upsample(node, input, size=None, scale_factor=None, mode="nearest", ...): return Read("upsample", ...)
    register(UpsampleKind())
"""

from . import (
    across,
    add,
    average,
    blocks,
    clip,
    concat,
    conv,
    crop,
    dropout,
    ends,
    linear,
    maximum,
    multiply,
    norm,
    order,
    pad,
    passing,
    scale,
    select,
    shape,
    table,
    transposed,
    upsample,
)

__all__ = [
    "across",
    "add",
    "average",
    "blocks",
    "clip",
    "concat",
    "conv",
    "crop",
    "dropout",
    "ends",
    "linear",
    "maximum",
    "multiply",
    "norm",
    "order",
    "pad",
    "passing",
    "scale",
    "select",
    "shape",
    "table",
    "transposed",
    "upsample",
]
