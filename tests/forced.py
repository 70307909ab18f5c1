"""Each way in which `eval()` may compute its integers, taken whatever it would have chosen."""

import contextlib
from collections import Counter
from itertools import product
from unittest import mock

from hwqat.nn import exact

#: What carries sums. "float64" alone: as on a device where float32 is not trusted. "float32": where it holds them.
CARRIERS = ("float32", "float64")
#: In what a requantise computes. "float64": where that holds its sums, the choice of `exact.requantise`.
PATHS = ("float64", "int64")
WAYS = tuple(product(CARRIERS, PATHS))


@contextlib.contextmanager
def forced(carrier: str, path: str, taken: Counter | None = None):
    """Within, evaluation takes this way; ``taken`` counts the requantises by what carried their sums and their path."""
    trusted, found = exact._trusted, Counter() if taken is None else taken
    real = {"float64": exact._requantise_float64, "int64": exact._requantise_int64}

    def counted(chosen):
        def run(outs, xs, *rest):
            name = path if path == "int64" else chosen
            found[str(xs[0][0].dtype).removeprefix("torch."), name] += 1
            return real[name](outs, xs, *rest)

        return run

    with (
        mock.patch.object(
            exact, "_trusted", lambda dtype, device: trusted(dtype, device) and str(dtype) >= f"torch.{carrier}"
        ),
        mock.patch.multiple(exact, **{f"_requantise_{name}": counted(name) for name in PATHS}),
    ):
        yield
