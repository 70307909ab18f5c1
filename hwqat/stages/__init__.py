"""The stages of the streaming dataflow, one class a kind; both back ends have a template of that name."""

from .base import Elements, Rom, Stage
from .dwu import Dwu
from .mvu import Mvu
from .plumbing import Concat, Fork, Width
from .pool import GlobalPool, Pool
from .requant import Requant
from .window import Window

KINDS: dict[str, type[Stage]] = {
    cls.kind: cls for cls in (Window, Mvu, Dwu, Pool, GlobalPool, Requant, Width, Fork, Concat)
}

__all__ = ["KINDS", "Elements", "Rom", "Stage", *(cls.__name__ for cls in KINDS.values())]
