"""Transposed convolutions: exact against PyTorch's own, whatever their arguments; placed, trained and simulated."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import hwqat
from hwqat.phases import phases
from hwqat.posttraining.equalise import equalise
from hwqat.sim.generated import cosim, csim

torch.set_num_threads(1)

FINE = hwqat.Scheme(16, 16, 16, 16, 16, 16, 16, table_bits=12, calibration="min-max")


def drawn(seed):
    """(arguments of nn.ConvTranspose2d behind the channels, channels, image), or None where nothing would come out."""
    rng = random.Random(seed)
    kernel, stride, dilation = ((rng.randint(1, most), rng.randint(1, most)) for most in (5, 4, 3))
    full = [d * (k - 1) for d, k in zip(dilation, kernel)]
    padding = tuple(rng.randint(0, most + 1) for most in full)
    more = tuple(rng.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation))
    size = (rng.randint(1, 6), rng.randint(1, 6))
    out = [
        (n - 1) * s - 2 * p + span + o + 1 for n, s, p, span, o in zip(size, stride, padding, full, more, strict=True)
    ]
    groups = rng.choice((1, 1, 2, 3))
    channels = (groups * rng.randint(1, 3), groups * rng.randint(1, 3))
    given = {"kernel_size": kernel, "stride": stride, "padding": padding, "output_padding": more, "dilation": dilation}
    return (given | {"groups": groups}, channels, size) if min(out) > 0 else None


def cases(count):
    return [case for seed in range(2 * count) if (case := drawn(seed)) is not None][:count]


def spread(x, factor):
    (rows, columns), (n, _, height, width) = factor, x.shape
    x = x.reshape(n, rows, columns, -1, height, width).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, -1, height * rows, width * columns)


@pytest.mark.parametrize("part", range(4))
def test_phases_are_torch_s(part):
    """400 of them, float64 on integers: no difference; and every window obeys the rules of hardware's."""
    several = 0
    for given, (ins, outs), size in cases(400)[part::4]:
        random = torch.Generator().manual_seed(0)
        groups = given["groups"]
        x = torch.randint(-9, 10, (2, ins, *size), generator=random).double()
        w = torch.randint(-9, 10, (ins, outs // groups, *given["kernel_size"]), generator=random).double()
        more = {name: given[name] for name in ("stride", "padding", "output_padding", "dilation", "groups")}
        wanted = F.conv_transpose2d(x, w, **more)
        found = phases(size, *(given[n] for n in ("kernel_size", "stride", "padding", "dilation")), wanted.shape[2:])
        made = []
        for one in found.parts:
            padded = (size[0] + one.pad[0] + one.pad[2], size[1] + one.pad[1] + one.pad[3], ins)
            assert not [*one.geometry.problems(padded)], given
            top, left, bottom, right = map(sum, zip(one.geometry.padding, one.pad))
            image = F.pad(x, (left, right, top, bottom))
            made.append(F.conv2d(image, one.filters(w, groups), None, 1, 0, one.geometry.dilation, groups))
        deep = torch.cat([*made, torch.zeros_like(made[0][:, :1])], 1)[:, list(found.channels(outs, groups))]
        (y, x), (height, width) = found.start, found.size
        assert torch.equal(spread(deep, found.factor)[:, :, y : y + height, x : x + width], wanted), given
        several += len(found.parts) > 1
    assert several > 20


def exactly(given, channels, size):
    """eval() and golden are torch's transposed convolution of the layer's integers."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.ConvTranspose2d(*channels, **given, bias=False))
    q = torch.randint(-128, 128, (3, channels[0], *size))
    model = hwqat.prepare(net, hwqat.Scheme(), q / 128).eval()
    (layer,) = (m for m in model.modules() if isinstance(m, nn.ConvTranspose2d))
    weight = torch.from_numpy(layer.integers()[0])
    more = {name: given[name] for name in ("stride", "padding", "output_padding", "dilation", "groups")}
    wanted = F.conv_transpose2d(q.double(), weight.double(), **more).permute(0, 2, 3, 1).numpy()
    (got,), graph = model.integers(q), hwqat.lower(model)
    assert np.array_equal(got.numpy(), wanted) and np.array_equal(graph.run(q.permute(0, 2, 3, 1).numpy()), wanted)


def test_golden_is_torch_s_on_integers():
    for case in cases(30):
        exactly(*case)


@pytest.mark.slow
def test_golden_is_torch_s_on_integers_of_400():
    for case in cases(430)[30:]:
        exactly(*case)


def test_no_zero_is_multiplied():
    """The usual ones: a kernel that the stride divides is one convolution, 3 by stride 2 is four with 9 taps in all."""
    for kernel, stride, padding, more, parts, taps in (
        (2, 2, 0, 0, 1, 4),
        (4, 2, 1, 0, 1, 16),
        (3, 2, 1, 1, 4, 9),
        (3, 2, 0, 0, 4, 9),
        (1, 2, 0, 0, 1, 1),
        (5, 2, 2, 1, 4, 25),
        (3, 1, 1, 0, 1, 9),
    ):
        out = (7 * stride - 2 * padding + kernel + more,) * 2
        found = phases((8, 8), (kernel,) * 2, (stride,) * 2, (padding,) * 2, (1, 1), out)
        assert len(found.parts) == parts
        assert sum(len(part.taps) * part.geometry.taps for part in found.parts) == taps


class Decoder(nn.Module):
    """Every kind of phases: one window, several, some without a tap, grouped, of a signal, behind a shuffle."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 4, 3, padding=1, stride=2), nn.BatchNorm2d(6)
        self.up1 = nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, bias=False)
        self.up2 = nn.ConvTranspose2d(6, 4, 4, 2, 1, groups=2)
        self.up3 = nn.ConvTranspose2d(4, 2, 1, 2, output_padding=1)
        self.side = nn.ConvTranspose2d(3, 6, 1)

    def forward(self, x):
        y = F.relu(self.bn(self.up1(F.relu(self.conv(x)).flip(1))) + self.side(x))
        return self.up3(F.relu(self.up2(y)))


class Wave(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv1d(2, 4, 4, 2, 1), nn.ConvTranspose1d(4, 3, 5, 2, 2, 1)

    def forward(self, x):
        return torch.tanh(self.up(F.relu(self.down(x))))


NETWORKS = {"decoder": (Decoder, (3, 6, 8)), "wave": (Wave, (2, 16))}


def graph_of(name, scheme):
    """The graph of a network after a step of training, its inputs and golden outputs; eval() has the same integers."""
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    net, q = make().eval(), torch.randint(-128, 128, (4, *shape))
    model = hwqat.prepare(net, scheme, q / 128).train()
    assert set(net.state_dict()) <= set(model.state_dict())
    model(q / 128).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    torch.optim.SGD(model.parameters(), 1e-2).step()
    graph = hwqat.lower(model.eval())
    x = q.reshape(4, *model.input_shape).permute(0, 2, 3, 1).numpy()
    golden = graph.run(x)
    assert np.array_equal(model.integers(q)[0].numpy(), golden)
    return graph, x, golden


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_what_it_was(name):
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    net, q = make().eval(), torch.randint(-128, 128, (4, *shape))
    with torch.no_grad():
        wanted, got = net(q / 128), hwqat.prepare(net, FINE, q / 128).eval()(q / 128)
    assert wanted.shape == got.shape and (wanted - got).abs().max() < 1e-3 * wanted.abs().max()


@pytest.mark.parametrize(
    "scheme",
    [
        hwqat.Scheme(per_channel=True),
        hwqat.Scheme(activations="affine", branch="accumulator"),
        hwqat.Scheme.uniform(4, bn="folded"),
        hwqat.Scheme(1, 4, activations="lsq-offset"),
    ],
    ids=["per_channel", "affine", "folded", "binary"],
)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_trains_to_golden(name, scheme):
    graph_of(name, scheme)


@pytest.mark.slow
@pytest.mark.parametrize("engine", [csim, cosim], ids=["csim", "cosim"])
def test_networks_are_simulated(engine, tmp_path):
    made = [graph_of(name, hwqat.Scheme()) for name in NETWORKS]
    built = [(hwqat.make_plan(graph), (x[:2],), (golden[:2],)) for graph, x, golden in made]
    more = {"stall": 0.3} if engine is cosim else {}
    for result in engine.run_many(built, tmp_path, **more):
        assert (result.frames, result.mismatches) == (2, 0), result.first


def test_post_training_takes_them():
    """Equalisation leaves what they read and make alone; rounding is learned of those that are one convolution."""
    make, shape = NETWORKS["decoder"]
    torch.manual_seed(0)
    net, images = make().eval(), torch.randint(-128, 128, (8, *shape)) / 128
    model = hwqat.prepare(net, FINE, images)
    with torch.no_grad():
        before = model.run_float(images)[0]
        equalise(model, [images])
        assert (model.run_float(images)[0] - before).abs().max() < 1e-3 * before.abs().max()
