"""What the user's network does, as a list of calls: torch.fx, with every spelling of an operation made one.

In the order of data flow: `tracer` runs the forward on an example, `reader` makes a call of each node, `spelling` knows
what modules, functions and methods mean, `simplify` drops what does nothing. What is not supported is collected, with
its line in the user's source.
"""

from .calls import Call, Problem, require_none
from .reader import read, trace

__all__ = ["Call", "Problem", "read", "require_none", "trace"]
