"""An operator that hwqat does not have, wholly in this package: the larger of two tensors, element by element.

    y = torch.maximum(a, b)          Maxout (Goodfellow et al., 2013), max-feature-map (Wu et al., 2018)

Importing this package registers it; `docs/extending.md` walks through its files.
"""

from . import frontend, op, reference, stage

__all__ = ["frontend", "op", "reference", "stage"]
