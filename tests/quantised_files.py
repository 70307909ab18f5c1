"""Files that other tools write: name -> (maker(folder) -> path, what arrives)."""

import contextlib
import io
import logging
import warnings
from functools import partial

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from hwqat.interchange import qdq_onnx, qonnx

PIXELS = "uint8:1/255"


class Small(nn.Module):
    """Convolutions, a residual addition, a join, pools and a linear layer that is used twice."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.c, self.d, self.f = nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.Conv2d(8, 8, 1), nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.a(x))
        y = torch.relu(self.b(x) + x)
        z = torch.cat([y, self.d(y)], 1)
        w = nn.functional.max_pool2d(torch.relu(self.c(y)), 2)
        return self.f(w.mean((2, 3))) + self.f(nn.functional.adaptive_avg_pool2d(z, 1).flatten(1))


def mlp():
    layers = [nn.Flatten(), nn.Linear(3 * 64, 32), nn.ReLU(), nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(32, 10))


def depthwise():
    """As MobileNetV2's block, with ReLU6."""
    parts = [
        nn.Conv2d(3, 16, 3, 2, 1),
        nn.BatchNorm2d(16),
        nn.ReLU6(),
        nn.Conv2d(16, 16, 3, 1, 1, groups=16),
        nn.ReLU6(),
    ]
    return nn.Sequential(*parts, nn.Conv2d(16, 8, 1), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(32, 10))


class ResNet8(nn.Module):
    """MLPerf Tiny's, with fewer channels: a stem, three residual blocks, two with a convolution in the shortcut."""

    def __init__(self):
        super().__init__()
        conv = lambda i, o, k, s: nn.Sequential(nn.Conv2d(i, o, k, s, k // 2, bias=False), nn.BatchNorm2d(o))  # noqa: E731
        self.stem, self.fc = conv(3, 8, 3, 1), nn.Linear(32, 10)
        sizes = [(8, 8, 1), (8, 16, 2), (16, 32, 2)]
        self.first, self.second = (
            nn.ModuleList(f) for f in zip(*((conv(i, o, 3, s), conv(o, o, 3, 1)) for i, o, s in sizes))
        )
        self.short = nn.ModuleList(nn.Identity() if s == 1 else conv(i, o, 1, s) for i, o, s in sizes)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        for first, second, short in zip(self.first, self.second, self.short):
            x = torch.relu(second(torch.relu(first(x))) + short(x))
        return self.fc(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


class MobileNetV2(nn.Module):
    """Inverted residuals with ReLU6."""

    def __init__(self):
        super().__init__()

        def conv(i, o, k=1, s=1, g=1, act=True):
            return nn.Sequential(
                nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=False),
                nn.BatchNorm2d(o),
                *[nn.ReLU6()] * act,
            )

        def block(i, o, s):
            return nn.Sequential(conv(i, 3 * i), conv(3 * i, 3 * i, 3, s, 3 * i), conv(3 * i, o, act=False))

        self.stem, self.head, self.fc = conv(3, 8, 3, 2), conv(16, 32), nn.Linear(32, 10)
        self.blocks = nn.ModuleList([block(8, 8, 1), block(8, 16, 2), block(16, 16, 1)])

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            y = block(x)
            x = x + y if x.shape == y.shape else y
        return self.fc(self.head(x).mean((2, 3)))


class Gate(nn.Module):
    """Squeeze and excite."""

    def __init__(self, channels):
        super().__init__()
        self.a, self.b = nn.Conv2d(channels, 8, 1), nn.Conv2d(8, channels, 1)

    def forward(self, x):
        y = torch.relu(self.a(nn.functional.adaptive_avg_pool2d(x, 1)))
        return x * nn.functional.hardsigmoid(self.b(y))


class MobileNetV3(nn.Module):
    """A block with hard swishes and a gate."""

    def __init__(self):
        super().__init__()
        self.a, self.e, self.p = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 16, 1), nn.Conv2d(16, 8, 1)
        self.d, self.gate = nn.Conv2d(16, 16, 3, 1, 1, groups=16), Gate(16)
        self.act, self.f = nn.Hardswish(), nn.Linear(8, 10)

    def forward(self, x):
        x = self.act(self.a(x))
        y = self.p(self.gate(self.act(self.d(self.act(self.e(x)))))) + x
        return self.f(nn.functional.adaptive_avg_pool2d(self.act(y), 1).flatten(1))


class UNet(nn.Module):
    """One level down and up again."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 16, 3, 1, 1)
        self.c, self.d = nn.Conv2d(24, 8, 3, 1, 1), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        a = torch.relu(self.a(x))
        b = torch.relu(self.b(nn.functional.max_pool2d(a, 2)))
        return self.d(torch.relu(self.c(torch.cat([nn.functional.interpolate(b, scale_factor=2), a], 1))))


class Moving(nn.Module):
    """Halves, a shuffle, a subsample, a pixel shuffle, functions, and a product of two tensors."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(8, 8, 1)
        self.e, self.f = nn.Conv2d(8, 8, 1), nn.Linear(512, 5)

    def forward(self, x):
        x = nn.functional.silu(self.a(x))
        p, q = x.chunk(2, 1)
        y = torch.cat([p, torch.sigmoid(self.b(q))], 1)
        y = y.view(-1, 2, 4, 16, 16).transpose(1, 2).reshape(-1, 8, 16, 16)
        y = nn.functional.leaky_relu(self.c(y), 0.1)[:, :, ::2, ::2]
        y = torch.tanh(y) * self.e(y)
        return self.f(nn.functional.pixel_shuffle(y, 2).flatten(1))


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)


def lively(model):
    """Batch norms that have seen something."""
    torch.manual_seed(1)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(-1.5, 1.5)
                module.bias.normal_(0, 0.3)
    return model.eval()


def static(folder, net=Small, size=16, shape=None, **how):
    """What onnxruntime's static quantisation writes."""
    shape = shape or (3, size, size)
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            rng = np.random.default_rng(0)
            self.left = [rng.random((1, *shape), np.float32) for _ in range(6)]

        def get_next(self):
            return {"x": self.left.pop()} if self.left else None

    torch.manual_seed(0)
    with quiet():
        torch.onnx.export(
            lively(net()),
            (torch.rand(1, *shape),),
            str(folder / "float.onnx"),
            input_names=["x"],
            opset_version=17,
            dynamo=False,
        )
        options = {"quant_format": QuantFormat[how.pop("form", "QDQ")], "per_channel": how.pop("per_channel", False)}
        options |= {f"{what}_type": QuantType[kind] for what, kind in how.pop("types", {}).items()}
        quantize_static(str(folder / "float.onnx"), str(folder / "net.onnx"), Reader(), **options, extra_options=how)
    return folder / "net.onnx"


def bnn(folder, name):
    """Brevitas' example networks, as FINN's users export them."""
    from brevitas.export import export_qonnx
    from brevitas_examples.bnn_pynq.models import model_with_cfg

    torch.manual_seed(0)
    with quiet():
        model, config = model_with_cfg(name, pretrained=False)
        side = 28 if name[0] in "TSL" else 32
        export_qonnx(
            lively(model),
            args=torch.rand(1, config.getint("MODEL", "IN_CHANNELS", fallback=3), side, side),
            export_path=str(folder / "net.onnx"),
            **({"dynamo": False} if name.startswith("RESNET") else {}),  # it is not traced by torch.export
        )
    return folder / "net.onnx"


def qcdq(folder, weights, acts, bits=4):
    import brevitas.nn as qnn
    from brevitas import quant
    from brevitas.export import export_onnx_qcdq

    w, a = getattr(quant, weights), getattr(quant, acts)
    conv = partial(qnn.QuantConv2d, weight_bit_width=bits, weight_quant=w, return_quant_tensor=True)
    relu = partial(qnn.QuantReLU, bit_width=bits, return_quant_tensor=True)
    torch.manual_seed(0)
    with quiet():
        model = nn.Sequential(
            qnn.QuantIdentity(act_quant=a, bit_width=8, return_quant_tensor=True), conv(3, 8, 3, padding=1), relu(),
            conv(8, 8, 3, stride=2, groups=8), relu(), nn.Flatten(), qnn.QuantLinear(8 * 49, 10, bias=True, weight_bit_width=8, weight_quant=w),
        )  # fmt: skip
        for _ in range(3):
            model.train()(torch.rand(4, 3, 16, 16))
        export_onnx_qcdq(model.eval(), args=torch.rand(1, 3, 16, 16), export_path=str(folder / "net.onnx"))
    return folder / "net.onnx"


def resnet18(folder):
    """Brevitas' ResNet18 at 4 bits for CIFAR-10, all of its 11 million weights."""
    return bnn(folder, "RESNET18_4W4A")


def own(folder, write, name="digitnet-int8"):
    """What hwqat writes."""
    from hwqat.opening import graph_and_frames

    onnx.save(write(graph_and_frames(f"zoo:{name}", None)[0]), folder / "net.onnx")
    return folder / "net.onnx"


def program(net, quantizer, size=16, shape=None):
    """torch.export's program, quantised by a quantiser of PT2E."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    shape = shape or (3, size, size)
    torch.manual_seed(0)
    with quiet():
        example = (torch.rand(1, *shape),)
        model = prepare_pt2e(torch.export.export(lively(net()), example).module(), quantizer())
        for _ in range(4):
            model(torch.rand(1, *shape))
        return torch.export.export(convert_pt2e(model), example)


def pt2e(folder, net, quantizer, size=16, shape=None):
    """The same by torch's own exporter to ONNX."""
    made = program(net, quantizer, size, shape)
    with quiet():
        torch.onnx.export(made, (), str(folder / "net.onnx"), dynamo=True, external_data=False)
    return folder / "net.onnx"


def x86():
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as of

    return of.X86InductorQuantizer().set_global(of.get_default_x86_inductor_quantization_config())


def xnnpack(per_channel=False):
    from torchao.testing.pt2e import _xnnpack_quantizer as of

    config = of.get_symmetric_quantization_config(is_per_channel=per_channel)
    return of.XNNPACKQuantizer().set_global(config)


def by_hand(folder, kind):
    """QONNX node by node: what begins in front of the first quantiser, signs, ternary weights, thresholds."""
    rng = np.random.default_rng(7)
    nodes, constants = [], {}

    def add(op, *inputs, **attributes):
        out = f"t{len(nodes)}"
        names = []
        for source in inputs:
            if not isinstance(source, str):
                constants[f"k{len(constants)}"] = np.asarray(source, np.float32)
                source = f"k{len(constants) - 1}"
            names.append(source)
        custom = op in ("Quant", "BipolarQuant", "MultiThreshold")
        nodes.append(
            helper.make_node(op, names, [out], out, domain="qonnx.custom_op.general" if custom else "", **attributes)
        )
        return out

    def quant(x, scale, bits, signed=1, narrow=0, mode="ROUND"):
        return add("Quant", x, scale, 0.0, bits, signed=signed, narrow=narrow, rounding_mode=mode)

    def sign(x, scale=1.0):
        return add("BipolarQuant", x, scale)

    def bn(x, channels):
        gamma, beta = rng.uniform(-2, 2, channels), rng.normal(0, 1, channels)
        gamma[0] = 0  # a channel that is the same for every input
        return add("BatchNormalization", x, gamma, beta, rng.normal(0, 3, channels), rng.uniform(0.5, 4, channels))

    x = add("Div", add("Sub", "x", rng.uniform(0, 1, (1, 3, 1, 1))), rng.uniform(0.2, 2, (1, 3, 1, 1)))
    w = lambda *shape: rng.normal(0, 1, shape)  # noqa: E731
    if kind == "binary":
        x = sign(x)
        x = sign(bn(add("Conv", x, sign(w(8, 3, 3, 3)), kernel_shape=[3, 3], pads=[1, 1, 1, 1]), 8), 0.5)
        x = add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        y = sign(bn(add("Conv", x, sign(w(8, 8, 1, 1), 0.25), kernel_shape=[1, 1]), 8), 0.5)
        x = add("Concat", x, y, axis=1)
        x = bn(add("Gemm", add("Flatten", x), quant(w(12, 256), 0.5, 2.0, narrow=1), transB=1), 12)
        x = add("Add", add("MatMul", quant(x, 1.0, 1.0), sign(w(12, 5))), w(5))
    elif kind == "sum":
        x = quant(x, 0.25, 4.0)
        y = add("Conv", x, quant(w(3, 3, 1, 1), 0.5, 2.0, narrow=1), kernel_shape=[1, 1])
        x = sign(add("Add", x, y))
        x = add("Gemm", add("Flatten", x), quant(w(5, 192), 1.0, 2.0, narrow=1), transB=1)
    else:  # thresholds
        x = quant(x, 0.125, 6.0)
        x = add("Conv", x, quant(w(8, 3, 3, 3), 0.25, 4.0, mode="FLOOR"), kernel_shape=[3, 3])
        spread, first = rng.uniform(0.1, 0.7, (8, 1)), rng.normal(-2, 1, (8, 1))
        x = add("MultiThreshold", x, first + spread * np.arange(15), out_dtype="UINT4")
        x = bn(
            add("Conv", x, quant(w(8, 8, 3, 3), 0.5, 3.0, mode="HALF_UP"), kernel_shape=[3, 3], pads=[1, 1, 1, 1]), 8
        )
        x = add("MultiThreshold", x, np.linspace(-4, 4, 7)[None], out_dtype="INT4", out_scale=0.5, out_bias=-2.0)
        x = add("MultiThreshold", x, [[0.0]], out_dtype="BIPOLAR", out_scale=2.0, out_bias=-1.0)
        x = add("Gemm", add("Flatten", x), quant(w(5, 288), 1.0, 2.0, narrow=1), transB=1)
    made = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 8, 8))], [helper.make_tensor_value_info(x, TensorProto.FLOAT, (1, 5))],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )  # fmt: skip
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("qonnx.custom_op.general", 1)],
        ir_version=9,
    )
    onnx.save(model, str(folder / "net.onnx"))
    return folder / "net.onnx"


SIGNED = {"weight": "QInt8", "activation": "QInt8"}
#: Those that need no exporter.
QUICK = {
    "by hand, binary": (partial(by_hand, kind="binary"), PIXELS),
    "by hand, thresholds": (partial(by_hand, kind="thresholds"), PIXELS),
    "by hand, the sign of a sum": (partial(by_hand, kind="sum"), PIXELS),
    "onnxruntime, QDQ": (static, None),
    "onnxruntime, QOperator": (partial(static, form="QOperator"), None),
}
#: Those that mean something for which there are no integers, and what is said of each.
REFUSED = {
    "Brevitas, RESNET18_4W4A": (resnet18, r"not supported: 1 x Trunc of domain .qonnx.custom_op.general."),
    "PT2E, X86, ResNet8": (
        partial(pt2e, net=ResNet8, quantizer=x86),
        r"\(ReduceMean\) reads values that are not quantised",
    ),
    "PT2E, XNNPACK, small": (
        partial(pt2e, net=Small, quantizer=xnnpack),
        r"\(ReduceMean\) reads values that are not quantised",
    ),
    "onnxruntime, QOperator, MobileNetV3": (
        partial(static, net=MobileNetV3, form="QOperator"),
        r"\(GlobalAveragePool\) reads values that are not quantised",
    ),
}
FILES = QUICK | {
    **{f"Brevitas, {n}": (partial(bnn, name=n), PIXELS) for n in ("TFC_1W1A", "TFC_1W2A", "TFC_2W2A", "CNV_1W1A", "CNV_1W2A", "CNV_2W2A")},
    "Brevitas QCDQ, floats": (partial(qcdq, weights="Int8WeightPerTensorFloat", acts="Int8ActPerTensorFloat"), None),
    "Brevitas QCDQ, channels": (partial(qcdq, weights="Int8WeightPerChannelFloat", acts="Int8ActPerTensorFloat", bits=8), None),
    "Brevitas QCDQ, powers of two": (partial(qcdq, weights="Int8WeightPerTensorFixedPoint", acts="Int8ActPerTensorFixedPoint"), None),
    "Brevitas QCDQ, shifted": (partial(qcdq, weights="Int8WeightPerTensorFloat", acts="ShiftedUint8ActPerTensorFloat", bits=8), None),
    "onnxruntime, QDQ, channels": (partial(static, per_channel=True, types=SIGNED), None),
    "onnxruntime, QDQ, symmetric": (partial(static, types=SIGNED, ActivationSymmetric=True), None),
    "onnxruntime, QDQ, unsigned": (partial(static, types={"weight": "QUInt8", "activation": "QUInt8"}), None),
    "onnxruntime, QDQ, 16 bits": (partial(static, types={"weight": "QInt8", "activation": "QUInt16"}), None),
    "onnxruntime, QDQ, on pixels": (static, PIXELS),
    "onnxruntime, QOperator, channels": (partial(static, form="QOperator", per_channel=True), None),
    "onnxruntime, QDQ, MLP": (partial(static, net=mlp, size=8), None),
    "onnxruntime, QOperator, MLP": (partial(static, net=mlp, size=8, form="QOperator"), None),
    "onnxruntime, QDQ, depthwise": (partial(static, net=depthwise, size=8, per_channel=True), None),
    "onnxruntime, QOperator, depthwise": (partial(static, net=depthwise, size=8, form="QOperator"), None),
    **{f"onnxruntime, QDQ, {net.__name__}": (partial(static, net=net), None) for net in (ResNet8, MobileNetV2, MobileNetV3, UNet, Moving)},
    **{f"onnxruntime, QDQ, channels, {net.__name__}": (partial(static, net=net, per_channel=True, types=SIGNED), None) for net in (ResNet8, MobileNetV2, MobileNetV3, UNet, Moving)},
    **{f"onnxruntime, QOperator, {net.__name__}": (partial(static, net=net, form="QOperator"), None) for net in (ResNet8, MobileNetV2, UNet)},
    "hwqat, QONNX, plain": (partial(own, write=partial(qonnx, plain=True)), None),
    "hwqat, QDQ": (partial(own, write=qdq_onnx), None),
    "PT2E, X86, MLP": (partial(pt2e, net=mlp, quantizer=x86, size=8), None),
    "PT2E, X86, UNet": (partial(pt2e, net=UNet, quantizer=x86), None),
    "PT2E, X86, depthwise": (partial(pt2e, net=depthwise, quantizer=x86, size=8), None),
    "PT2E, XNNPACK, MLP": (partial(pt2e, net=mlp, quantizer=xnnpack, size=8), None),
    "PT2E, XNNPACK, MobileNetV2": (partial(pt2e, net=MobileNetV2, quantizer=partial(xnnpack, True)), None),
    "PT2E, XNNPACK, UNet": (partial(pt2e, net=UNet, quantizer=xnnpack), None),
    "PT2E, XNNPACK, depthwise": (partial(pt2e, net=depthwise, quantizer=partial(xnnpack, True), size=8), None),
}  # fmt: skip
