"""An item of somebody's data, or a batch of a loader: a pair (image, label), or a row by column, as Hugging Face's are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwqat.errors import HwqatError
from hwqat.naming import shown

#: What such columns are called; the first that is there counts.
IMAGES = ("image", "images", "img", "pixel_values")
LABELS = ("label", "labels", "fine_label")


def pair_of(item: Any, where: str, pair: str = "(image, label)") -> tuple[Any, Any]:
    """The image and the label of an item; ``pair``: what it should be."""
    if isinstance(item, Mapping):
        return tuple(_column(item, names, where) for names in (IMAGES, LABELS))
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise HwqatError(f"{where} must be {pair}, or a row with columns image and label, not {type(item).__name__}")
    return tuple(item)


def _column(row: Mapping, names: tuple[str, ...], where: str) -> Any:
    for name in names:
        if name in row:
            return row[name]
    raise HwqatError(
        f"{where} has columns {', '.join(shown(str(name)) for name in row)}, and none of {', '.join(names)}; rename the one that is meant"
    )


def class_names(part: Any) -> list[str] | None:
    """Of torchvision's data sets (``classes``), or of Hugging Face's (``features``)."""
    if (names := getattr(part, "classes", None)) is not None:
        return names
    features = getattr(part, "features", None)
    if isinstance(features, Mapping):
        for name in LABELS:
            if (names := getattr(features.get(name), "names", None)) is not None:
                return names
    return None
