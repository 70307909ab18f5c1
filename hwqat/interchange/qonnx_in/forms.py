"""What a node may have: every input and attribute of every operator is known here, or the file is refused.

The operators of ONNX have schemas for every version (`onnx.defs`): names, types and defaults of attributes come from
there, by the file's own opset. The table says what hwqat's reader does with each of them. One that is missing in it
is one whose meaning nobody looked at; `tests/test_onnx_forms.py` holds the table to all versions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hwqat.naming import shown

#: Domains of the operators that the QONNX paper defines: its own, and what Brevitas called them before.
QONNX_DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
#: Oldest opset that is read: the last change of what Add, Mul and BatchNormalization mean.
OLDEST = 7


@dataclass(frozen=True)
class Form:
    """What becomes of the inputs and attributes of an operator.

    Attributes:
        inputs: their names in order; one that ends with ``?`` may be left out, one with ``*`` stands for any number.
        used: attributes that the reader reads.
        only: attribute -> the one value that is supported.
        idle: attributes that change nothing when a network is evaluated.
        others: domains besides, or, with ``own``, instead of the usual ones.
        own: for an operator without a schema, attribute -> (type, default; None: it must be given).
    """

    inputs: tuple[str, ...]
    used: tuple[str, ...] = ()
    only: dict[str, Any] = field(default_factory=dict)
    idle: tuple[str, ...] = ()
    own: dict[str, tuple[str, Any]] | None = None
    others: tuple[str, ...] = ()

    @property
    def domains(self) -> tuple[str, ...]:
        """Where the operator is defined."""
        usual = ("", "ai.onnx") if self.own is None else () if self.others else QONNX_DOMAINS
        return (*usual, *self.others)


_WINDOW = ("auto_pad", "dilations", "kernel_shape", "pads", "strides")
_QUANT = {"signed": ("INT", 1), "narrow": ("INT", 0), "rounding_mode": ("STRING", "ROUND")}

#: Functions of one number, and their attributes.
_FUNCTIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Abs", "Cos", "Erf", "Exp", "HardSwish", "Log", "Mish", "Reciprocal", "Sigmoid", "Sin"), ()),
    **dict.fromkeys(("Softplus", "Softsign", "Sqrt", "Tanh"), ()),
    **dict.fromkeys(("Celu", "Elu", "LeakyRelu", "ThresholdedRelu"), ("alpha",)),
    "Gelu": ("approximate",),
    "HardSigmoid": ("alpha", "beta"),
    "Selu": ("alpha", "gamma"),
}
#: The domain of onnxruntime's own operators.
MICROSOFT = ("com.microsoft",)
FORMS: dict[str, Form] = {
    "Quant": Form(("x", "scale", "zero_point", "bits"), tuple(_QUANT), own=_QUANT),
    "IntQuant": Form(("x", "scale", "zero_point", "bits"), tuple(_QUANT), own=_QUANT),
    "BipolarQuant": Form(("x", "scale"), own={}),
    "MultiThreshold": Form(
        ("x", "thresholds"),
        ("out_scale", "out_bias", "data_layout"),
        idle=("out_dtype",),
        own={
            "out_dtype": ("STRING", ""),
            "out_scale": ("FLOAT", 1.0),
            "out_bias": ("FLOAT", 0.0),
            "data_layout": ("STRING", ""),
        },
    ),
    "QuantizeLinear": Form(
        ("x", "scale", "zero_point?"),
        ("axis", "output_dtype"),
        {"block_size": 0},
        ("saturate", "precision"),
        others=MICROSOFT,
    ),
    "DequantizeLinear": Form(
        ("x", "scale", "zero_point?"), ("axis",), {"block_size": 0}, ("output_dtype",), others=MICROSOFT
    ),
    "QLinearConv": Form(
        ("x", "x_scale", "x_zero_point", "w", "w_scale", "w_zero_point", "y_scale", "y_zero_point", "bias?"),
        (*_WINDOW, "group"),
    ),
    "QLinearMatMul": Form(("a", "a_scale", "a_zero_point", "b", "b_scale", "b_zero_point", "y_scale", "y_zero_point")),
    "QGemm": Form(
        ("a", "a_scale", "a_zero_point", "b", "b_scale", "b_zero_point", "c?", "y_scale?", "y_zero_point?"),
        ("alpha", "transB"),
        {"transA": 0},
        others=MICROSOFT,
        own={"alpha": ("FLOAT", 1.0), "transA": ("INT", 0), "transB": ("INT", 0)},
    ),
    "QLinearAdd": Form(
        ("a", "a_scale", "a_zero_point?", "b", "b_scale", "b_zero_point?", "c_scale", "c_zero_point?"),
        own={},
        others=MICROSOFT,
    ),
    "QLinearGlobalAveragePool": Form(
        ("x", "x_scale", "x_zero_point", "y_scale", "y_zero_point"),
        only={"channels_last": 0},
        own={"channels_last": ("INT", 0)},
        others=MICROSOFT,
    ),
    "QLinearAveragePool": Form(
        ("x", "x_scale", "x_zero_point?", "y_scale", "y_zero_point?"),
        (*_WINDOW, "ceil_mode", "count_include_pad"),
        {"channels_last": 0},
        others=MICROSOFT,
        own={
            "auto_pad": ("STRING", "NOTSET"),
            "ceil_mode": ("INT", 0),
            "channels_last": ("INT", 0),
            "count_include_pad": ("INT", 0),
            "kernel_shape": ("INTS", None),
            "pads": ("INTS", None),
            "strides": ("INTS", None),
            "dilations": ("INTS", None),
        },
    ),
    "QLinearConcat": Form(("x*",), ("axis",), own={"axis": ("INT", 1)}, others=MICROSOFT),
    "QLinearMul": Form(
        ("a", "a_scale", "a_zero_point?", "b", "b_scale", "b_zero_point?", "c_scale", "c_zero_point?"),
        own={},
        others=MICROSOFT,
    ),
    "QLinearSigmoid": Form(("x", "x_scale", "x_zero_point?", "y_scale", "y_zero_point?"), own={}, others=MICROSOFT),
    "QLinearLeakyRelu": Form(
        ("x", "x_scale", "x_zero_point?", "y_scale", "y_zero_point?"),
        ("alpha",),
        own={"alpha": ("FLOAT", 0.01)},
        others=MICROSOFT,
    ),
    "ConvInteger": Form(("x", "w", "x_zero_point?", "w_zero_point?"), (*_WINDOW, "group")),
    "MatMulInteger": Form(("a", "b", "a_zero_point?", "b_zero_point?")),
    "Cast": Form(("x",), ("to",), idle=("saturate", "round_mode")),
    "Conv": Form(("x", "w", "bias?"), (*_WINDOW, "group")),
    "Gemm": Form(("a", "b", "c?"), ("alpha", "beta", "transB"), only={"transA": 0}),
    "MatMul": Form(("a", "b")),
    "MaxPool": Form(("x",), (*_WINDOW, "ceil_mode"), idle=("storage_order",)),  # of its second output
    "AveragePool": Form(("x",), (*_WINDOW, "ceil_mode", "count_include_pad")),
    "GlobalAveragePool": Form(("x",)),
    "ReduceMean": Form(("x", "axes?"), ("axes", "keepdims", "noop_with_empty_axes")),
    "Flatten": Form(("x",), ("axis",)),
    "Reshape": Form(("x", "shape"), ("allowzero",)),
    "Concat": Form(("x*",), ("axis",)),
    "Shape": Form(("x",), ("start", "end")),
    "Slice": Form(("x", "starts?", "ends?", "axes?", "steps?"), ("starts", "ends", "axes")),
    "Pad": Form(("x", "pads?", "value?", "axes?"), ("mode", "pads", "value")),
    "Gather": Form(("x", "indices"), ("axis",)),
    "Squeeze": Form(("x", "axes?"), ("axes",)),
    "Unsqueeze": Form(("x", "axes?"), ("axes",)),
    "Resize": Form(
        ("x", "roi?", "scales?", "sizes?"),
        ("mode", "coordinate_transformation_mode", "nearest_mode"),
        {"antialias": 0, "axes": None, "keep_aspect_ratio_policy": "stretch"},
        ("cubic_coeff_a", "exclude_outside", "extrapolation_value"),
    ),
    "Upsample": Form(("x", "scales?"), ("mode", "scales")),
    "DepthToSpace": Form(("x",), ("blocksize", "mode")),
    "SpaceToDepth": Form(("x",), ("blocksize",)),
    **{name: Form(("x",), _FUNCTIONS[name]) for name in _FUNCTIONS},
    "PRelu": Form(("x", "slope")),
    "Pow": Form(("x", "exponent")),
    "BatchNormalization": Form(
        ("x", "scale", "bias", "mean", "var"), ("epsilon",), {"training_mode": 0, "spatial": 1}, idle=("momentum",)
    ),
    "Mul": Form(("a", "b")),
    "Div": Form(("a", "b")),
    "Add": Form(("a", "b")),
    "Sub": Form(("a", "b")),
    "Relu": Form(("x",)),
    "Clip": Form(("x", "min?", "max?"), ("min", "max")),
    "Transpose": Form(("x",), ("perm",)),
    "Constant": Form((), ("value", "value_float", "value_floats", "value_int", "value_ints")),
    "Identity": Form(("x",)),
    "Dropout": Form(("x", "ratio?", "training_mode?"), idle=("ratio", "seed")),
}


class Unreadable(Exception):
    """Why a node cannot be read: the rest of a sentence that begins with its name."""


def attributes_of(onnx, node, opset: int) -> dict[str, Any]:
    """Every attribute that the reader of a node reads, with the default of the file's opset where it is left out.

    None where it is left out and has no default. Raises Unreadable.
    """
    form = FORMS[node.op_type]
    known = _schema(onnx, node, opset) if form.own is None else form.own
    given = _given(onnx, node, known)
    for name in given:
        if name not in (*form.used, *form.only, *form.idle):
            raise Unreadable(f"has the attribute {shown(name)}, which hwqat does not know")
    values = {name: given.get(name, default) for name, (_, default) in known.items()}
    for name, needed in form.only.items():
        if name in values and values[name] not in (needed, None):
            raise Unreadable(f"has {name} = {values[name]}; only {needed} is supported")
    return {name: values.get(name) for name in form.used}


def _schema(onnx, node, opset: int) -> dict[str, tuple[str, Any]]:
    """Attribute -> (type, default) by ONNX's own definition; the number of inputs is held to it, too."""
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        raise Unreadable(f"is no operator of opset {opset}") from None
    if not schema.min_input <= len(node.input) <= schema.max_input:
        few = f"{schema.min_input} to {schema.max_input}"
        raise Unreadable(f"has {len(node.input)} inputs where opset {opset} has {few}")
    found = {}
    for name, attribute in schema.attributes.items():
        default = attribute.default_value
        value = _decoded(onnx.helper.get_attribute_value(default)) if default.name else None
        if attribute.required and name not in {given.name for given in node.attribute}:
            raise Unreadable(f"lacks the attribute {name}")
        found[name] = attribute.type.name, value
    return found


def _given(onnx, node, known: dict[str, tuple[str, Any]]) -> dict[str, Any]:
    """The attributes that a node has."""
    given: dict[str, Any] = {}
    for attribute in node.attribute:
        name, kind = attribute.name, onnx.AttributeProto.AttributeType.Name(attribute.type)
        if name in given:
            raise Unreadable(f"has the attribute {shown(name)} twice")
        if name not in known:
            raise Unreadable(f"has the attribute {shown(name)}, which the operator does not have in this opset")
        if kind != known[name][0] or attribute.ref_attr_name:
            raise Unreadable(f"has an attribute {name} of type {kind}, not {known[name][0]}")
        try:
            given[name] = _decoded(onnx.helper.get_attribute_value(attribute))
        except (ValueError, UnicodeDecodeError) as error:
            raise Unreadable(f"has an attribute {name} that cannot be read ({error})") from None
    return given


def _decoded(value):
    return value.decode() if isinstance(value, bytes) else value


def inputs_of(node) -> tuple[str, ...]:
    """Names of a node's inputs as its reader takes them; "" for one that is left out. Raises Unreadable."""
    form, names = FORMS[node.op_type], list(node.input)
    while names and not names[-1]:
        names.pop()
    if form.inputs and form.inputs[-1].endswith("*"):
        if not names or "" in names:
            raise Unreadable("lacks an input")
        return tuple(names)
    if len(names) > len(form.inputs):
        raise Unreadable(f"has {len(names)} inputs; {', '.join(form.inputs)} are supported")
    for place, wanted in enumerate(form.inputs):
        if not wanted.endswith("?") and not (place < len(names) and names[place]):
            raise Unreadable(f"lacks its input {wanted!r}")
    return tuple(names)
