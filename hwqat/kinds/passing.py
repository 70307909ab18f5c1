"""What hands on what it was given: copies, and changes of type between floating-point types."""

from __future__ import annotations

from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import spelled

_METHODS = (
    "contiguous clone detach detach_ to float double half bfloat16 type_as type cpu cuda data positive requires_grad_ real "
    "int long short byte char bool"
)


@spelled("clone", "detach", "positive", "real", *(f"Tensor.{name}" for name in _METHODS.split()))
def read_pass(node, input, *arguments, **more):
    if not node.dtype.is_floating_point:
        raise Unsupported(f"a change of type to {node.dtype}; leave it out")
    return input
