"""Convolutions and linear layers, and the batch norms that are folded into them."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from hwqat.nn.affine import Bias, Folded, Norm
from hwqat.nn.folded import Fold
from hwqat.nn.steps import Conv2d, Linear
from hwqat.nn.weighted import QuantConv2d, QuantLinear
from hwqat.quant import WEIGHT_QUANTISERS
from hwqat.quant.scheme import LayerScheme
from hwqat.quant.weights import WeightQuantiser
from hwqat.tracing import Call

from .draft import Draft, Value
from .facts import PRODUCTS
from .sums import affine


def conv(draft: Draft, call: Call, x: Value) -> Value:
    layer = _layer(draft, call, QuantConv2d)
    name = draft.add_step(
        Conv2d,
        call.path,
        call.block,
        [draft.read(call)],
        layer=layer,
        geometry=call.params["geometry"],
        in_front=call.params.get("in_front", (0, 0, 0, 0)),
    )
    return _sum(call, name, layer)


def linear(draft: Draft, call: Call, x: Value) -> Value:
    layer = _layer(draft, call, QuantLinear)
    source = draft.read(call)
    order = draft.values[call.inputs[0]].order
    return _sum(call, draft.add_step(Linear, call.path, call.block, [source], layer=layer, order=order), layer)


def norm(draft: Draft, call: Call, x: Value) -> Value:
    if (layer := _folds_into(draft, call)) is not None:
        layer.fold = Fold(call.module)
        chain = (Folded(layer, call.module, call.path),)
        return replace(x, operands=((x.operands[0][0], chain),), path=f"{call.path}_q", block=call.block)
    return affine(draft, call, x, Norm(call.module, call.path))


def _sum(call: Call, name: str, layer) -> Value:
    chain = () if layer.bias is None else (Bias(layer),)
    return Value(((name, chain),), f"{call.path}_q", call.block)


def _layer(draft: Draft, call: Call, kind: type):
    """The quantised layer of a float one."""
    if call.module not in draft.layers:
        layer = draft.scheme.layer(call.path, first=draft.facts.is_first(call), last=draft.facts.is_last(call))
        draft.layers[call.module] = kind(call.module, _weight_quantiser(draft, call.module.weight, layer))
    return draft.layers[call.module]


def _weight_quantiser(draft: Draft, weight: Tensor, layer: LayerScheme) -> WeightQuantiser:
    made = WEIGHT_QUANTISERS[layer.weights](layer.weight_bits, layer.per_channel)
    if draft.scheme.bn == "folded":  # what is quantised is no longer the weight alone
        return made
    return draft.weights.setdefault((weight, layer), made)


def _folds_into(draft: Draft, call: Call):
    """The layer that a batch norm is folded into, if the scheme folds: used once, and read by it alone."""
    facts = draft.facts
    source = facts.by_name[call.inputs[0]]
    alone = facts.is_used_once(call) and facts.is_used_once(source) and len(facts.users[source.name]) == 1
    if draft.scheme.bn == "folded" and source.kind in PRODUCTS and alone:
        return draft.layers[source.module]
    return None
