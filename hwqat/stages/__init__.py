"""The stages of the streaming dataflow, one class a kind and a file each; the library has a block of that name in each language."""

from .base import Elements, Rom, Stage
from .concat import Concat
from .crop import Crop
from .dwu import Dwu
from .fork import Fork
from .global_pool import GlobalPool
from .multiply import Multiply
from .mvu import Mvu
from .pad import Pad
from .pool import Pool
from .reorder import Reorder
from .requant import Requant
from .select import Select
from .table import Table
from .width import Width
from .window import Window

#: Those of the package. A stage outside it needs no entry: the operator that makes it is enough.
STAGES: tuple[type[Stage], ...] = (
    Window,
    Mvu,
    Dwu,
    Pool,
    GlobalPool,
    Requant,
    Width,
    Fork,
    Concat,
    Select,
    Crop,
    Pad,
    Reorder,
    Multiply,
    Table,
)

__all__ = ["STAGES", "Elements", "Rom", "Stage", *(cls.__name__ for cls in STAGES)]
