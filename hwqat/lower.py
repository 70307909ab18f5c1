"""From a trained QAT network to the graph of integers that hardware is generated from."""

from __future__ import annotations

import torch

from hwqat.errors import HwqatError
from hwqat.graph import GRAPH_NAME, Graph, verify, verify_nodes
from hwqat.nn.model import QatModel
from hwqat.nn.steps import Logits, Requantise
from hwqat.nn.steps.product import Product
from hwqat.nn.weighted import at_rest


@torch.no_grad()
def lower(model: QatModel, name: str = GRAPH_NAME, meta: dict | None = None) -> Graph:
    """The integer graph of ``model``, verified.

    Args:
        name: of the graph, a C identifier.
        meta: JSON facts to keep with it; "scheme" and, if any constant did not fit the format that was asked for,
            "saturated" (node -> how many) are added.

    Raises:
        HwqatError: names a layer of 32 bits, or one whose sums are too wide.
    """
    if not isinstance(model, QatModel):
        raise HwqatError(f"only a network that hwqat.prepare made can be lowered, not a {type(model).__name__}")
    model.require_quantised("lowered")
    model.require_finite()
    with at_rest(step.layer for step in model.steps if isinstance(step, Product)):
        return _lower(model, name, meta)


def _lower(model: QatModel, name: str, meta: dict | None) -> Graph:
    nodes, tensors, specs, saturated = [], {}, {}, {}
    for step in model.steps:
        xs = tuple(tensors[i] for i in step.inputs)
        ins = tuple(specs[i] for i in step.inputs)
        try:
            node = step.node(step.name, xs, ins)
        except HwqatError:
            verify_nodes(name, nodes)  # what is wrong further in front is said first
            raise
        specs[step.name] = step.spec(*ins)
        if node is None:  # it moves nothing in this layout
            tensors[step.name] = xs[0]
            continue
        nodes.append(node)
        tensors[step.name] = node.out
        if isinstance(step, (Requantise, Logits)) and (lost := step.saturated(*ins)):
            saturated[step.name] = lost
    meta = {**(meta or {}), "scheme": model.scheme.to_dict()}
    if saturated:
        meta["saturated"] = saturated
    return verify(Graph(name, tuple(nodes), meta))
