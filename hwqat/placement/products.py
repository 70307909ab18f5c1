"""What convolutions and linear layers share, and the batch norms that are folded into them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn

from hwqat.nn.affine import Bias, Folded
from hwqat.nn.folded import Fold
from hwqat.quant import WEIGHT_QUANTISERS
from hwqat.quant.scheme import LayerScheme
from hwqat.quant.weights import WeightQuantiser
from hwqat.tracing.calls import Call
from hwqat.tracing.table import kind_of

from .draft import Draft, Placed


def layer_of(draft: Draft, call: Call, kind: type, build: Callable[..., nn.Module], one_step: bool = False):
    """The quantised layer of a call: ``kind`` of what ``build(call, weight, bias)`` makes; shared ones stay shared.
    one_step: its weights have one, whatever the scheme says."""
    key = draft.key(call)
    if key not in draft.layers:
        tensors = {role: draft.tensor(constant) for role, constant in call.tensors.items()}
        weight, bias = tensors["weight"], tensors.get("bias")
        plain = build(call, weight, bias)
        for role, tensor in tensors.items():
            plain._parameters[role] = tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor, False)
        plain.user_names = draft.users_names(call)
        layer = draft.scheme.layer(call.path, first=draft.facts.is_first(call), last=draft.facts.is_last(call))
        if draft.scheme.depthwise_per_channel and _is_depthwise(plain):
            layer = replace(layer, per_channel=True)
        if one_step:
            layer = replace(layer, per_channel=False)
        draft.layers[key] = kind(plain, _weight_quantiser(draft, weight, layer))
    return draft.layers[key]


def sum_of(call: Call, name: str, layer, order: tuple[int, ...] | None = None) -> Placed:
    """The exact sums that the step ``name`` of a layer makes."""
    chain = () if layer.bias is None else (Bias(layer),)
    return Placed(((name, chain),), f"{call.path}_q", call.block, order=order)


def _is_depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1


def _weight_quantiser(draft: Draft, weight: Tensor, layer: LayerScheme) -> WeightQuantiser:
    made = WEIGHT_QUANTISERS[layer.weights](layer.weight_bits, layer.per_channel)
    made.shape_like(weight)
    if draft.scheme.bn == "folded":  # what is quantised is no longer the weight alone
        return made
    return draft.weights.setdefault((weight, layer), made)


def fold_into(draft: Draft, call: Call, norm: nn.Module, x: Placed) -> Placed | None:
    """The sums of the layer that a batch norm is folded into, if the scheme folds: used once, and read by it alone."""
    facts = draft.facts
    source = facts.by_name[call.inputs[0]]
    alone = draft.is_used_once(call) and draft.is_used_once(source) and len(facts.users[source.name]) == 1
    if not (draft.scheme.bn == "folded" and kind_of(source).multiplies and kind_of(source).folds and alone):
        return None
    layer = draft.layers[draft.key(source)]
    layer.fold = Fold(norm)
    chain = (Folded(layer, norm, call.path),)
    return replace(x, operands=((x.operands[0][0], chain),), path=f"{call.path}_q", block=call.block)
