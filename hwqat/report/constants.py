"""Formats of M and B, and the error that rounding them costs."""

from __future__ import annotations

import numpy as np

from ..quant.constants import Rescale
from .gather import Facts
from .labels import percent


def constant_rows(facts: Facts) -> list[dict]:
    """A row for each requantise, as finished text.

    ``bound`` is the most that rounding M and B to their formats can move the sum before Q, in steps of
    the output, for the inputs that came: half a last place of each M times the largest |x|, plus half of B's; a whole
    one each where they were truncated, and half of M where each became a power of two.
    """
    rows = []
    for node in facts.graph.of("requant"):
        forms = [str(form) for form in node.factor_forms]
        rows.append(
            {
                "name": node.name,
                "module": node.module,
                "rounding": str(node.rounding),
                "factors": " + ".join(forms),
                "bias": str(node.bias_form),
                "per": "channel" if node.factors.shape[1] > 1 else "tensor",
                "largest": " + ".join(
                    f"{_real(np.abs(m).max(), f):.3g}" for m, f in zip(node.factors, node.factor_forms)
                ),
                "smallest": " + ".join(_smallest(m, f) for m, f in zip(node.factors, node.factor_forms)),
                "saturated": str(saturated(facts, node)),
                "bound": f"{bound(facts, node):.2g}",
                "changed": percent(facts.compared.changed[node.name], 3)
                if facts.compared and node.name in facts.compared.changed
                else "",
            }
        )
    return rows


def bound(facts: Facts, node) -> float:
    """Largest move of the sum, in steps of the output."""
    rescale = asked(facts)
    part = 0.5 if "RND" in rescale.rounding else 1.0
    total = part * 2.0**-node.bias_form.frac
    for name, m, form in zip(node.inputs, node.factors, node.factor_forms):
        seen, place = facts.activations[name], part * 2.0**-form.frac
        wrong = max(place, _real(np.abs(m).max(), form) / 2) if rescale.power_of_two else place
        total += max(abs(seen.least), abs(seen.most)) * wrong
    return total


def asked(facts: Facts) -> Rescale:
    """The format that the constants were made for; the default where the graph does not say."""
    return Rescale.parse(facts.graph.meta.get("scheme", {}).get("rescale", Rescale.width))


def how_made(facts: Facts) -> str:
    """A remark on constants that are not rounded as usual; empty if they are."""
    rescale = asked(facts)
    words = [] if rescale.rounding == Rescale.rounding else [f"rounded by {rescale.rounding}"]
    words += [] if rescale.overflow == Rescale.overflow else [f"brought into their range by {rescale.overflow}"]
    words += ["with each M the nearest power of two"] * rescale.power_of_two
    return ", ".join(words)


def saturated(facts: Facts, node) -> int:
    """Constants that did not fit; where the graph does not say, those that stand at the ends of their format."""
    if "scheme" in facts.graph.meta:
        return facts.graph.meta.get("saturated", {}).get(node.name, 0)
    named = [*zip(node.factors, node.factor_forms), (node.bias, node.bias_form)]
    return sum(int(((raw == form.lo) | (raw == form.hi)).sum()) for raw, form in named if form.width > 1)


def _real(raw, form) -> float:
    return float(raw) * 2.0**-form.frac


def _smallest(raw, form) -> str:
    """The smallest |M| that is not 0, with the bits it has left."""
    used = np.abs(raw[raw != 0])
    if not used.size:
        return "0"
    return f"{_real(used.min(), form):.3g} ({int(used.min()).bit_length()} bit)"
