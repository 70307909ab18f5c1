"""The operators' second opinions, by name."""

from __future__ import annotations

from ....registry import Registry

#: (node, input arrays, input tensors) -> int64 array (N, H, W, C).
REFERENCES = Registry("fxpmath reference", "write one, from the contract alone, and register it")
reference = REFERENCES.register
