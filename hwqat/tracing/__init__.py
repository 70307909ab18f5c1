"""What the user's network does, as a list of calls, with every spelling of an operation made one.

In the order of data flow: `record` runs the forward and sees the functions that it calls, `moves` and `constants` know
what it does with places and with parameters, `table` holds what each function means (filled by `hwqat.kinds`), `reader`
makes the calls, `simplify` takes padding into windows. `network` is a reading that runs, in float, and `check` holds it
to the user's own forward. What is not supported is collected, with its line in the user's source.
"""

from .calls import Call, Problem, Reading, require_none
from .reader import read, trace

__all__ = ["Call", "Problem", "Reading", "read", "require_none", "trace"]
