"""Operators that move, multiply and look up: against PyTorch's own, in every spelling; their forms in QONNX."""

import copy
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import hwqat
from hwqat.errors import HwqatError
from hwqat.functions import FUNCTIONS
from hwqat.graph import Graph, verify
from hwqat.interchange import qonnx, run_qonnx
from hwqat.ops import Crop, DepthToSpace, Input, Multiply, Output, Pad, Select, SpaceToDepth, SumPool, Table, Upsample
from hwqat.windows import Geometry

torch.set_num_threads(1)

FINE = hwqat.Scheme(16, 16, 16, 16, 16, 16, 16, table_bits=12, calibration="min-max")


def image(shape=(4, 6, 8), lo=-7, hi=7, scale=0.5, name="x"):
    return Input.make(name, shape, lo=lo, hi=hi, scale=scale)


def frames(x, count=3, seed=0):
    return np.random.default_rng(seed).integers(x.out.lo, x.out.hi, (count, *x.out.shape), endpoint=True)


def as_torch(array):
    return torch.from_numpy(array).permute(0, 3, 1, 2)


def as_frames(tensor):
    return tensor.permute(0, 2, 3, 1).numpy()


# ---- the operators, against PyTorch


@pytest.mark.parametrize(
    "make, meant",
    [
        (
            lambda x: Select.make("s", x, [7, 0, 0, -1, 3]),
            lambda x: torch.cat([x, 0 * x[:, :1]], 1)[:, [7, 0, 0, 8, 3]],
        ),
        (lambda x: Crop.make("s", x, (1, 0), (2, 3), (2, 2)), lambda x: x[:, :, 1::2, ::2]),
        (
            lambda x: Pad.make("s", x, (3, 1, 0, 2), edge=True),
            lambda x: F.pad(x.float(), (1, 2, 3, 0), mode="replicate").long(),
        ),
        (lambda x: Pad.make("s", x, (3, 1, 0, 2), pad_value=5), lambda x: F.pad(x, (1, 2, 3, 0), value=5)),
        (lambda x: Upsample.make("s", x, (3, 2)), lambda x: F.interpolate(x, scale_factor=(3, 2))),
        # torch has its channels (c, dy, dx), the operator (dy, dx, c)
        (lambda x: DepthToSpace.make("s", x, (2, 2)), lambda x: F.pixel_shuffle(x[:, [0, 2, 4, 6, 1, 3, 5, 7]], 2)),
        (
            lambda x: SpaceToDepth.make("s", x, (2, 2)),
            lambda x: F.pixel_unshuffle(x, 2).unflatten(1, (8, 4)).transpose(1, 2).flatten(1, 2),
        ),
    ],
    ids=["select", "crop", "edges", "pad", "upsample", "depth_to_space", "space_to_depth"],
)
def test_moves_are_torch_s(make, meant):
    x = image()
    node, q = make(x.out), frames(x)
    # pixel_shuffle of channels (c, dy, dx) that were (dy, dx, c)
    wanted = meant(as_torch(q).float()).long()
    assert np.array_equal(node.evaluate(q), as_frames(wanted))


@pytest.mark.parametrize("shape", [(4, 6, 8), (1, 1, 8), (4, 6, 1)])
def test_products_are_exact(shape):
    a, b = image(lo=-100, hi=90), image(shape, lo=0, hi=255, name="b")
    node = Multiply.make("m", (a.out, b.out))
    x, y = frames(a), frames(b, seed=1)
    assert np.array_equal(node.evaluate(x, y), x * y)
    assert (node.out.lo, node.out.hi, node.out.scale) == (-25500, 22950, 0.25)


def test_a_table_for_each_channel():
    x = image((2, 2, 3), -2, 2)
    table = np.arange(15).reshape(3, 5)
    node = Table.make("t", x.out, table)
    q = frames(x)
    assert np.array_equal(node.evaluate(q), np.arange(3) * 5 + q + 2)


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda x: Select.make("n", x, [8]), r"channels must be some of 0..7, or -1, not \(8,\)"),
        (lambda x: Crop.make("n", x, (0, 0), (5, 2)), "rows must be inside 4"),
        (lambda x: DepthToSpace.make("n", x, (3, 1)), "channels must be a multiple of 3, not 8"),
        (lambda x: SpaceToDepth.make("n", x, (3, 1)), "height must be a multiple of 3, not 4"),
        (lambda x: Pad.make("n", x, (0, -1, 0, 0)), "padding must be four numbers, each at least 0"),
        (
            lambda x: replace(Pad.make("n", x, (0, 1, 0, 0)), pad_value=99),
            "pad_value must be an integer that 4 bits hold, not 99",
        ),
        (lambda x: Upsample.make("n", x, (0, 1)), "out.shape must be .H, W, C., each at least 1"),
        (lambda x: Table.make("n", x, np.zeros(9)), r"table.shape must be \(1, 15\) or \(8, 15\), not \(1, 9\)"),
        (lambda x: Table.make("n", x, np.full(15, 1 << 17)), "out.bits must be 1..16"),
    ],
)
def test_rules_are_sentences(make, said):
    x = image()
    node = make(x.out)
    with pytest.raises(HwqatError, match=said):
        verify(Graph("g", (x, node, Output.make("y", node.out))))


# ---- QONNX


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "make",
    [
        lambda x: [Select.make("s", x, [7, 0, -1, 3])],
        lambda x: [Crop.make("s", x, (1, 0), (2, 3), (2, 2))],
        lambda x: [Pad.make("s", x, (3, 1, 0, 2), edge=True)],
        lambda x: [Pad.make("s", x, (3, 1, 0, 2))],
        lambda x: [Upsample.make("s", x, (3, 2))],
        lambda x: [DepthToSpace.make("s", x, (2, 2))],
        lambda x: [SpaceToDepth.make("s", x, (2, 2))],
        lambda x: [Multiply.make("s", (x, x))],
        lambda x: [p := SumPool.make("p", x, Geometry((4, 6))), Multiply.make("s", (x, p.out))],
    ],
    ids=["select", "crop", "edges", "pad", "upsample", "depth_to_space", "space_to_depth", "square", "gate"],
)
def test_qonnx_executes_as_golden(make):
    x = image()
    nodes = make(x.out)
    graph = verify(Graph("g", (x, *nodes, Output.make("y", nodes[-1].out))))
    q = frames(x)
    (y,) = run_qonnx(qonnx(graph), graph, (q,))
    assert np.abs(y / graph.of("output")[0].out.scale - graph.run(q)).max() < 1e-3


def test_qonnx_refuses_a_table_by_name():
    x = image()
    node = Table.make("sigmoid_1", x.out, np.arange(15), module="head.act")
    graph = verify(Graph("g", (x, node, Output.make("y", node.out))))
    with pytest.raises(HwqatError, match=r"'sigmoid_1' \(module 'head.act'\) is a table, which has no form in QONNX"):
        qonnx(graph)


# ---- spellings


class Net(nn.Module):
    """A convolution of 8 channels, what ``run(net, y)`` does, and a convolution behind."""

    def __init__(self, run, *layers, outs=None):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.layers, self.run = nn.Conv2d(3, 8, 3, padding=1), nn.ModuleList(layers), run
        self.head = nn.Conv2d(outs, 4, 1) if outs else nn.Identity()

    def forward(self, x):
        return self.head(self.run(self, self.conv(x)))


def shuffled(x, groups=2):
    n, c, h, w = x.shape
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def reorg(x):
    n, c, h, w = x.shape
    return x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4).reshape(n, c * 4, h // 2, w // 2)


def excite(net, x):
    return torch.sigmoid(net.layers[1](F.relu(net.layers[0](F.adaptive_avg_pool2d(x, 1)))))


def squeeze():
    return nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)


#: name -> (network, operators that its graph must have)
def linear_gate(m, x):
    """Squeeze and excite with linear layers on (N, 1, 1, C)."""
    pooled = x.mean((2, 3), keepdim=True).permute(0, 2, 3, 1)
    return m.layers[1](F.relu(m.layers[0](pooled))).sigmoid().permute(0, 3, 1, 2)


def tokens(m, x, layer):
    """(N, H * W, C), with a shortcut, as mixers have it."""
    t = F.relu(x).flatten(2).transpose(1, 2)
    return t + F.relu(layer(t))


FORMS = {
    "slice": (lambda: Net(lambda m, x: x[:, 2:6], outs=4), {"select"}),
    "index_select": (lambda: Net(lambda m, x: torch.index_select(x, 1, torch.tensor([1, 1, 5])), outs=3), {"select"}),
    "chunk": (lambda: Net(lambda m, x: torch.cat([m.layers[0](x.chunk(2, 1)[0]), x.chunk(2, 1)[1]], 1),
                          nn.Conv2d(4, 4, 3, padding=1), outs=8), {"select", "concat"}),
    "split_out": (lambda: Net(lambda m, x: x.split([2, 6], 1)), {"select"}),
    "shuffle_dense": (lambda: Net(lambda m, x: shuffled(F.relu(x)), outs=8), set()),
    "shuffle_grouped": (lambda: Net(lambda m, x: m.layers[0](shuffled(x)), nn.Conv2d(8, 8, 1, groups=2)), {"select"}),
    "shuffle_out": (lambda: Net(lambda m, x: nn.ChannelShuffle(4)(x)), {"select"}),
    "shuffle_add": (lambda: Net(lambda m, x: shuffled(F.relu(x)) + F.relu(x), outs=8), {"select"}),
    "option_a": (lambda: Net(lambda m, x: F.pad(F.relu(x)[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4)) + m.layers[0](x),
                             nn.Conv2d(8, 16, 3, 2, 1), outs=16), {"select", "crop"}),
    "flat_out": (lambda: Net(lambda m, x: torch.flatten(x, 1)), {"select"}),
    "flat_slice": (lambda: Net(lambda m, x: m.layers[0](torch.flatten(x, 1)[:, 10:90]), nn.Linear(80, 3)), {"select"}),
    "crop": (lambda: Net(lambda m, x: x[..., 1:-1, 2:7], outs=8), {"crop"}),
    "focus": (lambda: Net(lambda m, x: torch.cat([x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)], 1), outs=32),
              {"crop", "concat"}),
    "reorg": (lambda: Net(lambda m, x: reorg(x), outs=32), {"space_to_depth"}),
    "unshuffle": (lambda: Net(lambda m, x: F.pixel_unshuffle(x, 2), outs=32), {"space_to_depth"}),
    "shuffle_pixels": (lambda: Net(lambda m, x: F.pixel_shuffle(x, 2), outs=2), {"depth_to_space"}),
    "some_of_shuffled": (lambda: Net(lambda m, x: F.pixel_shuffle(x, 2)[:, [1, 0], 1:, ::2], outs=2),
                         {"select", "depth_to_space", "crop"}),
    "blocks_of_a_part": (lambda: Net(lambda m, x: F.pixel_unshuffle(F.pixel_unshuffle(x[:, 2:4, :, :8], 2)[:, 3:], 2)),
                         {"select", "crop", "space_to_depth"}),
    "shuffled_twice": (lambda: Net(lambda m, x: F.pixel_shuffle(F.pixel_shuffle(x, 2)[:, :1].repeat(1, 4, 1, 1), 2)),
                       {"select", "depth_to_space"}),
    "upsample": (lambda: Net(lambda m, x: F.interpolate(x, size=(16, 24)), outs=8), {"upsample"}),
    "transposed": (lambda: Net(lambda m, x: m.layers[0](F.relu(x)), nn.ConvTranspose2d(8, 4, 2, 2), outs=4),
                   {"depth_to_space"}),
    "transposed_ragged": (lambda: Net(lambda m, x: m.layers[0](F.relu(x)), nn.ConvTranspose2d(8, 4, 3, 2, 1, 1, 2)),
                          {"depth_to_space", "concat"}),
    "transposed_function": (lambda: Net(lambda m, x: F.conv_transpose2d(x, m.layers[0].weight, None, 2, 1),
                                        nn.Conv2d(4, 8, 4)), {"depth_to_space", "crop"}),
    "bilinear": (lambda: Net(lambda m, x: F.interpolate(F.relu(x), scale_factor=2, mode="bilinear"), outs=8),
                 {"pad", "depth_to_space", "crop"}),
    "bilinear_3_by_4": (lambda: Net(lambda m, x: nn.Upsample(scale_factor=(3, 4), mode="bilinear")(x)), {"pad"}),
    "bilinear_to_size": (lambda: Net(lambda m, x: F.interpolate(x, size=(8, 24), mode="bilinear"), outs=8), {"pad"}),
    "edges": (lambda: Net(lambda m, x: m.layers[0](F.relu(x)),
                          nn.Conv2d(8, 4, 3, padding=1, padding_mode="replicate")), {"pad"}),
    "edges_out": (lambda: Net(lambda m, x: nn.ReplicationPad2d((1, 2, 0, 3))(x)), {"pad"}),
    "padded_skip": (lambda: Net(lambda m, x: torch.cat([F.pad(F.relu(x)[..., 1:, :-2], (1, 1, 0, 1)), x], 1), outs=16),
                    {"pad", "concat"}),
    "padded_pointwise": (lambda: Net(lambda m, x: m.layers[0](nn.ZeroPad2d(2)(x)), nn.Conv2d(8, 4, 1)), {"pad"}),
    "padded_by_itself": (lambda: Net(lambda m, x: m.layers[0](x), nn.Conv2d(8, 4, (1, 3), padding=(1, 4))), {"pad"}),
    "padded_pool": (lambda: Net(lambda m, x: F.max_pool2d(nn.ZeroPad2d(1)(x), 2)), {"pad", "max_pool"}),
    "average_of_a_row": (lambda: Net(lambda m, x: F.avg_pool2d(x, (8, 3), 1, (0, 1), count_include_pad=True), outs=8),
                         {"sum_pool"}),
    "average_uncounted": (lambda: Net(lambda m, x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False), outs=8),
                          {"sum_pool", "table", "multiply"}),
    "average_tails": (lambda: Net(lambda m, x: F.avg_pool2d(F.relu(x), 3, 2, (1, 0), True), outs=8),
                      {"sum_pool", "multiply", "pad"}),
    "average_wide": (lambda: Net(lambda m, x: F.avg_pool2d(x, 8, 3, 4, False, False), outs=8), {"multiply"}),
    "average_divided": (lambda: Net(lambda m, x: F.avg_pool2d(x, 3, 2, 1, True, False, divisor_override=7), outs=8),
                        {"sum_pool"}),
    "linear_of_one_position": (lambda: Net(lambda m, x: m.layers[1](F.relu(m.layers[0](F.relu(x).mean((2, 3)).unsqueeze(1)))),
                                           nn.Linear(8, 6), nn.Linear(6, 3)), {"linear"}),
    "linear_gate": (lambda: Net(lambda m, x: x * linear_gate(m, x), nn.Linear(8, 4), nn.Linear(4, 8), outs=8),
                    {"linear", "multiply", "table"}),
    "linear_of_pixels": (lambda: Net(lambda m, x: x + m.layers[1](F.gelu(m.layers[0](x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2),
                                     nn.Linear(8, 12), nn.Linear(12, 8), outs=8), {"conv2d", "table"}),
    "linear_of_tokens": (lambda: Net(lambda m, x: m.layers[0](tokens(m, x, m.layers[1])).mean(1),
                                     nn.Linear(8, 5), nn.Linear(8, 8)), {"conv2d", "sum_pool"}),
    "mean_of_channels": (lambda: Net(lambda m, x: x * F.relu(x).mean(1, keepdim=True), outs=8), {"conv2d", "multiply"}),
    "max_of_channels": (lambda: Net(lambda m, x: x * torch.max(x, dim=1, keepdim=True)[0], outs=8), {"max_pool", "multiply"}),
    "max_of_a_group": (lambda: Net(lambda m, x: x.view(-1, 2, 4, 8, 12)[:, 1].amax(1).unsqueeze(1), outs=1), {"max_pool"}),
    "larger": (lambda: Net(lambda m, x: torch.maximum(*x.chunk(2, 1)), outs=4), {"concat", "max_pool"}),
    "larger_of_shuffled": (lambda: Net(lambda m, x: torch.max(x, shuffled(x)), outs=8), {"concat", "max_pool"}),
    "glu": (lambda: Net(lambda m, x: F.glu(x, dim=1), outs=4), {"table", "multiply"}),
    "amax": (lambda: Net(lambda m, x: m.layers[0](F.relu(x).amax((2, 3))), nn.Linear(8, 3)), {"max_pool", "linear"}),
    "max_of_rows": (lambda: Net(lambda m, x: m.layers[0](x.max(3)[0].max(2)[0]), nn.Linear(8, 3)), {"max_pool", "linear"}),
    "sum_of_pixels": (lambda: Net(lambda m, x: m.layers[0](F.relu(x).sum((-1, -2)) / 96), nn.Linear(8, 3)), {"sum_pool"}),
    "rows_and_columns": (lambda: Net(lambda m, x: x * x.mean(2, keepdim=True).sigmoid() + x.amax(3, keepdim=True), outs=8),
                         {"sum_pool", "multiply", "upsample"}),
    "zeros_joined": (lambda: Net(lambda m, x: F.relu(torch.cat([x, torch.zeros_like(x[:, :3])], 1) + 1), outs=11), {"select"}),
    "one_pixel_grows": (lambda: Net(lambda m, x: x + F.interpolate(x.mean((2, 3), keepdim=True), size=x.shape[2:],
                                                                   mode="bilinear"), outs=8), {"upsample"}),
    "excite": (lambda: Net(lambda m, x: x * excite(m, x), *squeeze(), outs=8), {"multiply", "table"}),
    "excite_expanded": (lambda: Net(lambda m, x: excite(m, x).expand_as(x) * x, *squeeze(), outs=8), {"multiply"}),
    "gate_of_pixels": (lambda: Net(lambda m, x: m.layers[0](x).sigmoid() * x, nn.Conv2d(8, 1, 3, padding=1), outs=8),
                       {"multiply", "table"}),
    "square": (lambda: Net(lambda m, x: x**2, outs=8), {"multiply"}),
    "swish": (lambda: Net(lambda m, x: x * torch.sigmoid(x), outs=8), {"multiply", "table"}),
    "hard_swish": (lambda: Net(lambda m, x: x * F.relu6(x + 3) / 6, outs=8), {"multiply"}),
    "swish_out": (lambda: Net(lambda m, x: x * torch.sigmoid(x)), {"multiply", "table"}),
    "prelu": (lambda: Net(lambda m, x: m.layers[0](x), nn.PReLU(8, 0.3), outs=8), {"table"}),
    "prelu_one": (lambda: Net(lambda m, x: m.layers[0](x), nn.PReLU(), outs=8), {"table"}),
    **{
        name: (lambda act=act: Net(lambda m, x: act(x), outs=8), {"table"})
        for name, act in {
            "silu": F.silu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "tanh": torch.tanh,
            "sigmoid": torch.sigmoid, "hardsigmoid": F.hardsigmoid, "hardswish": F.hardswish, "mish": F.mish,
            "elu": F.elu, "softplus": F.softplus, "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
        }.items()
    },
}  # fmt: skip


def outputs(x):
    return x if isinstance(x, tuple) else (x,)


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_what_it_was_and_trains(name):
    """eval() at 16 bits is the user's network, and at 8 bits golden, after a step of training."""
    make, wanted = FORMS[name]
    net, q = make().eval(), torch.randint(-128, 128, (6, 3, 8, 12), generator=torch.Generator().manual_seed(1))
    fine = hwqat.prepare(copy.deepcopy(net), FINE, q / 128).eval()
    with torch.no_grad():
        for a, b in zip(outputs(net(q / 128)), outputs(fine(q / 128)), strict=True):
            assert float((a.reshape(-1) - b.reshape(-1)).abs().max()) < 1e-3 * float(a.abs().max())
    model = hwqat.prepare(net, hwqat.Scheme(), q / 128).train()
    sum(x.square().mean() for x in outputs(model(q / 128))).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    torch.optim.SGD(model.parameters(), 1e-3).step()
    graph = hwqat.lower(model.eval())
    assert wanted <= {node.op for node in graph.nodes}
    for a, b in zip(model.integers(q), outputs(graph.run(q.permute(0, 2, 3, 1).numpy())), strict=True):
        assert np.array_equal(a.numpy(), b)


class Signals(nn.Module):
    """A network of signals (N, C, L), with every layer of one dimension."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv1d(2, 8, 7, 2, 3), nn.BatchNorm1d(8)
        self.conv2, self.conv3 = nn.Conv1d(8, 8, 3, padding="same", groups=8), nn.Conv1d(16, 8, 1)
        self.pool, self.average, self.all = nn.MaxPool1d(2), nn.AvgPool1d(3, 1, 1), nn.AdaptiveAvgPool1d(1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        y = F.interpolate(F.max_pool1d(self.conv2(x), 2), scale_factor=2)
        x = self.average(self.conv3(torch.cat([x, y], 1)))
        x = x * torch.sigmoid(x.mean(2, keepdim=True))
        return self.fc(self.all(x).squeeze(-1)), x


@pytest.mark.parametrize(
    "make, shape",
    [
        (Signals, (2, 32)),
        (lambda: nn.Sequential(nn.Conv1d(4, 6, 3), nn.ReLU(), nn.Conv1d(6, 2, 1)), (4, 9)),
        (lambda: nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.BatchNorm1d(12), nn.Linear(12, 5)), (16,)),
        (lambda: nn.Sequential(nn.Linear(16, 3), nn.SiLU(), nn.Linear(3, 16)), (16,)),
    ],
    ids=["signals", "short", "tagger", "autoencoder"],
)
def test_signals_and_vectors(make, shape):
    """What goes in and comes out has the user's shape; a float checkpoint fits; eval() is golden."""
    torch.manual_seed(0)
    net, q = make().eval(), torch.randint(-128, 128, (6, *shape), generator=torch.Generator().manual_seed(1))
    fine = hwqat.prepare(copy.deepcopy(net), FINE, q / 128).eval()
    with torch.no_grad():
        for a, b in zip(outputs(net(q / 128)), outputs(fine(q / 128)), strict=True):
            assert a.shape == b.shape and float((a - b).abs().max()) < 2e-3 * float(a.abs().max())
    model = hwqat.prepare(net, hwqat.Scheme(), q / 128).train()
    assert set(net.state_dict()) <= set(model.state_dict())
    sum(x.square().mean() for x in outputs(model(q / 128))).backward()
    torch.optim.SGD(model.parameters(), 1e-3).step()
    graph = hwqat.lower(model.eval())
    x = q.reshape(6, *model.input_shape).permute(0, 2, 3, 1).numpy()
    for a, b in zip(model.integers(q), outputs(graph.run(x)), strict=True):
        assert np.array_equal(a.numpy(), b)


@pytest.mark.parametrize(
    "end, said", [(nn.Softmax(1), "Softmax"), (nn.LogSoftmax(1), "LogSoftmax"), (nn.Sigmoid(), "Sigmoid")]
)
def test_what_keeps_the_order_is_left_out_at_an_output(end, said):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5), end).eval()
    q = torch.randint(-128, 128, (6, 3, 8, 8))
    with pytest.warns(UserWarning, match=f"{said} at the output of Sequential is left out: logits have the same order"):
        model = hwqat.prepare(net, FINE, q / 128).eval()
    with torch.no_grad():
        assert torch.allclose(model(q / 128).float(), net[:-1](q / 128), atol=1e-3)
    assert not hwqat.lower(model).of("table")


def test_a_sigmoid_at_an_output_stays_where_the_scheme_gives_it_bits():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.Sigmoid()).eval()
    q = torch.randint(-128, 128, (6, 3, 8, 8))
    with pytest.warns(UserWarning, match=r"or keep its table by layers=\{'3': \{'act_bits': 8\}\} of the scheme"):
        hwqat.prepare(copy.deepcopy(net), FINE, q / 128)
    model = hwqat.prepare(net, FINE.with_changes(layers={"3": {"act_bits": 8}}), q / 128).eval()
    graph = hwqat.lower(model)
    assert [node.out.bits for node in graph.of("table")] == [8]
    with torch.no_grad():
        assert (model(q / 128) - net(q / 128)).abs().max() < 1 / 200
    assert np.array_equal(model.integers(q)[0].numpy(), graph.run(q.permute(0, 2, 3, 1).numpy()))


@dataclass
class Found:
    logits: torch.Tensor
    features: torch.Tensor | None = None


class Wrapped(nn.Module):
    """As libraries of models write them: a name for the image, a dataclass back."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.bn = nn.Conv2d(3, 4, 3), nn.SyncBatchNorm(4)

    def forward(self, pixel_values=None, labels=None):
        return Found(logits=self.bn(self.conv(pixel_values)))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda net: net,
        nn.DataParallel,
        torch.optim.swa_utils.AveragedModel,
        lambda net: torch.compile(net, backend="eager"),
        lambda net: net.double(),
        lambda net: net.half(),
    ],
    ids=["plain", "parallel", "averaged", "compiled", "double", "half"],
)
def test_wrappers_are_taken_off(wrap):
    q = torch.randint(-128, 128, (4, 3, 8, 8))
    with torch.no_grad():
        wanted = Wrapped().eval()(q / 128).logits
        got = hwqat.prepare(wrap(Wrapped().eval()), FINE, q / 128).eval()(q / 128)
    assert (wanted - got).abs().max() < 2e-3 * wanted.abs().max()


def test_a_function_of_ones_own():
    @hwqat.pointwise(name="cube_of_this_test")
    def cube(x):
        return x * x * x

    try:
        net = Net(lambda m, x: cube(x), outs=8).eval()
        q = torch.randint(-128, 128, (4, 3, 8, 8))
        graph = hwqat.lower(hwqat.prepare(net, hwqat.Scheme(), q / 128).eval())
        assert [node.what for node in graph.of("table")] == ["cube_of_this_test"]
        with pytest.raises(HwqatError, match="there is a pointwise function 'cube_of_this_test' already"):
            hwqat.pointwise(name="cube_of_this_test")(cube)
    finally:
        del FUNCTIONS["cube_of_this_test"]


def test_a_table_reads_the_bits_that_the_scheme_says():
    q = torch.randint(-128, 128, (4, 3, 8, 8))
    for bits in (10, 12, 6):
        net = Net(lambda m, x: F.silu(x), outs=8).eval()
        graph = hwqat.lower(hwqat.prepare(net, hwqat.Scheme(table_bits=bits), q / 128).eval())
        (table,) = graph.of("table")
        assert graph.ins(table)[0].bits == bits
    with pytest.raises(HwqatError, match="table_bits must be 2..12, not 13"):
        hwqat.Scheme(table_bits=13)
