"""Networks as they are usually written: eval(), golden, C-simulation and RTL agree; golden and a plan at full size."""

import architectures_decoders
import architectures_more
import pytest
import torch
import torch.nn.functional as F
from architectures import DSCNN, VGG, MobileNetV2, ResNet18
from held import FINE, decibels, frames, lively, lowered, outputs
from table_floats import with_grids

import hwqat
from hwqat.sim.generated import cosim, csim

pytestmark = pytest.mark.filterwarnings("ignore:.*at the output of")  # a softmax is left out, in words
torch.set_num_threads(1)

#: name -> (network, shape of an image), small enough to be simulated
SMALL = {
    "resnet18": (lambda: ResNet18(10, width=1 / 16), (3, 32, 32)),
    "mobilenetv2": (lambda: MobileNetV2(10, width=1 / 8), (3, 32, 32)),
    "vgg11": (lambda: VGG(11, 10, width=1 / 16, pool=1, hidden=256), (3, 32, 32)),
    "dscnn": (lambda: DSCNN(channels=8), (1, 49, 10)),
    **architectures_more.SMALL,
    **architectures_decoders.SMALL,
}
FULL = {
    "resnet18": (ResNet18, (3, 224, 224)),
    "mobilenetv2": (MobileNetV2, (3, 224, 224)),
    "vgg11": (lambda: VGG(11), (3, 224, 224)),
    "vgg16": (lambda: VGG(16), (3, 224, 224)),
    "dscnn": (DSCNN, (1, 49, 10)),
    **architectures_more.FULL,
    **architectures_decoders.FULL,
}


@pytest.mark.parametrize("name", SMALL)
def test_small_is_golden(name):
    make, shape = SMALL[name]
    lowered(lively(make, shape), frames(shape, 3))


#: What is left out at an output, since it keeps the order of the classes.
LEFT_OUT = {
    "jet_tagger": lambda x: x.softmax(1),
    "keywords": lambda x: x.log_softmax(1),
    "image_autoencoder": torch.sigmoid,
}
#: Largest error at 16 bits, of the largest output, where it is more than 1e-3: of float with the grids of the tables, and
#: of plain float. An integer at the border of a table's step falls on the other side now and then: 12 bits, 5e-4 of the
#: range, and it adds up where tables stand one behind the other: noise of 2^-16 at the input alone moves the reference by
#: as much (`test_grids_amplify`), and 16 bits round as much at every layer.
GRIDS = {"efficientnet": 2e-3, "yolo": 5e-2}
PLAIN = {"mobilenetv3": 2e-3, "efficientnet": 2e-3, "superresolution": 2e-3, "yolo": 3e-2}


@pytest.mark.parametrize("name", [*architectures_more.SMALL, *architectures_decoders.SMALL])
def test_small_is_near_float(name):
    """At 16 bits within 1e-3 of the user's network with the grids of its tables, and bounded of what it is without; at 8
    bits at least 20 dB over the error."""
    make, shape = SMALL[name]
    net, q = lively(make, shape), frames(shape, 4)
    model = hwqat.prepare(net, FINE, q / 128).eval()
    with torch.no_grad():
        wanted, fine = outputs(net(q / 128)), outputs(model(q / 128))
    gridded = outputs(with_grids(net, model, q / 128))
    _, _, _, got = lowered(net, q)
    for a, b, c, d in zip(wanted, fine, gridded, got, strict=True):
        b, d = (LEFT_OUT.get(name, lambda x: x)(x.float()).flatten() for x in (b, d))
        a, c = a.flatten(), c.flatten()
        errors = [float((b - x).abs().max() / a.abs().max()) for x in (c, a)]
        found = decibels(a, d)
        print(
            f"{name}: {errors[0]:.1e} of float on its tables' grids, {errors[1]:.1e} of float, {found:.1f} dB at 8 bits"
        )
        assert errors[0] < GRIDS.get(name, 1e-3) and errors[1] < PLAIN.get(name, 1e-3)
        assert name in AMPLIFIES or found > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", GRIDS)
def test_grids_amplify(name):
    """What of the bound is not the quantiser's: the float reference on its grids moves by a good part of it when its input
    does by 2^-16, while the float network hardly moves."""
    make, shape = SMALL[name]
    net, x = lively(make, shape), frames(shape, 4) / 128
    model = hwqat.prepare(net, FINE, x).eval()
    moved = x + torch.randn(x.shape, generator=torch.Generator().manual_seed(2)) / 2**16
    with torch.no_grad():
        plain = [outputs(net(images)) for images in (x, moved)]
    on_grids = [outputs(with_grids(net, model, images)) for images in (x, moved)]
    by = [
        max(float((a - b).abs().max() / a.abs().max()) for a, b in zip(*pair, strict=True))
        for pair in (plain, on_grids)
    ]
    assert by[1] > GRIDS[name] / 4 and by[1] > 10 * by[0]


#: With random weights a deep network with batch norms and few shortcuts amplifies every disturbance layer by layer (Yang et al. 2019,
#: "A Mean Field Theory of Batch Normalization"), so that its error at 8 bits says nothing of the quantiser. Such a one is trained first.
AMPLIFIES = {"yolo"}


def test_random_weights_amplify():
    """A disturbance of 40 dB at the detector's input is one of less than 30 at its outputs, without any quantiser."""
    make, shape = SMALL["yolo"]
    net, x = lively(make, shape), frames(shape, 4) / 128
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(2)) * float(x.square().mean().sqrt()) / 100
    with torch.no_grad():
        assert max(decibels(a, b) for a, b in zip(outputs(net(x)), outputs(net(x + noise)), strict=True)) < 30


def scenes(count, generator):
    """Images with bright rectangles, and what each cell of the two scales should say of them: three classes and a height, as logits."""
    images, wanted = torch.rand(count, 3, 32, 32, generator=generator) / 2 - 0.5, torch.zeros(count, 4, 32, 32)
    for image, says in zip(images, wanted, strict=True):
        for _ in range(2):
            top, left, high, wide = (
                int(torch.randint(a, b, (), generator=generator)) for a, b in ((0, 20), (0, 20), (6, 13), (6, 13))
            )
            color, box = (
                int(torch.randint(3, (), generator=generator)),
                (slice(top, top + high), slice(left, left + wide)),
            )
            image[color][box] += 0.8
            says[color][box], says[3][box] = 1, high / 12
    wanted = 8 * (wanted - 0.25)
    return torch.round(images.clamp(-1, 127 / 128) * 128) / 128, (F.avg_pool2d(wanted, 8), F.avg_pool2d(wanted, 16))


@pytest.mark.slow
def test_a_trained_detector_keeps_its_outputs():
    torch.manual_seed(0)
    make, _ = SMALL["yolo"]
    net, generator, steps = make(), torch.Generator().manual_seed(1), 300
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)
    for _ in range(steps):
        images, wanted = scenes(16, generator)
        loss = sum(F.mse_loss(a, b) for a, b in zip(net(images), wanted, strict=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    images, wanted = scenes(64, generator)
    quantised = hwqat.prepare(net.eval(), hwqat.Scheme(per_channel=True), scenes(256, generator)[0]).eval()
    with torch.no_grad():
        exact = net(images)
        assert F.mse_loss(exact[0], wanted[0]) < 0.75 * wanted[0].var()  # it has learned something
        for a, b in zip(exact, quantised(images), strict=True):
            assert decibels(a, b) > 20


@pytest.mark.slow
@pytest.mark.parametrize("engine", [csim, cosim], ids=["csim", "cosim"])
@pytest.mark.parametrize("name", SMALL)
def test_small_is_simulated(name, engine, tmp_path):
    make, shape = SMALL[name]
    graph, x, golden, _ = lowered(lively(make, shape), frames(shape, 2))
    (result,) = engine.run_many([(hwqat.make_plan(graph), (x,), golden)], tmp_path)
    assert (result.frames, result.mismatches) == (2, 0), result.first


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_full_size_is_golden_and_planned(name):
    make, shape = FULL[name]
    torch.manual_seed(0)
    graph, *_ = lowered(make().eval(), frames(shape, 2))
    plan = hwqat.make_plan(graph, hwqat.Target(dsp=4000) if name in LARGE else hwqat.Target())
    assert plan.cycles * plan.multipliers >= plan.macs
    assert plan.resources.dsp <= plan.target.dsp if plan.target.dsp else plan.resources.dsp <= 220


#: Networks of so many layers that each of them alone takes more than the 220 DSPs of the default.
LARGE = {"efficientnet", "densenet", "shufflenetv2", "mobilenetv3", "regnety", "yolo"}
