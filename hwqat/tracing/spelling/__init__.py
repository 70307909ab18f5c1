"""What modules, functions and methods mean: every spelling of an operation, read into one form.

A reader takes an fx node (with its value on an example in its meta, `hwqat.tracing.tracer`) and returns (kind, inputs,
params) as `hwqat.tracing.calls.Call` has them, or raises `Unsupported`. Arguments that are not tensors are plain values
here.
"""

from .functions import read_function
from .modules import is_normalize, read_module
from .refusals import Unsupported

__all__ = ["Unsupported", "is_normalize", "read_function", "read_module"]
