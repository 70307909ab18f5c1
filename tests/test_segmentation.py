"""A small U-Net that is trained: masks of handwritten digits on a noisy ground, in float and in integers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from architectures_decoders import UpUNet

import hwqat
from hwqat.data import digits

torch.set_num_threads(1)

SIZE, INK = 16, 6


def scenes(split, count, seed):
    """Two digits of 8x8 pixels on a ground of noise: images of 8 bits (N, 1, 16, 16), and for each pixel whether it is
    ground, the ink of an even digit or that of an odd one (N, 16, 16)."""
    random = torch.Generator().manual_seed(seed)
    draw = lambda low, high, *shape: torch.randint(low, high, shape, generator=random)  # noqa: E731
    images = draw(-128, -40, count, 1, SIZE, SIZE)
    masks = torch.zeros(count, SIZE, SIZE, dtype=torch.int64)
    for image, mask in zip(images[:, 0], masks):
        for top in (0, SIZE // 2):
            which, left = int(draw(0, len(split.labels), 1)), int(draw(0, SIZE - 7, 1))
            digit = split.images[which, 0].to(torch.int64) + digits.CENTRE
            part = (slice(top, top + 8), slice(left, left + 8))
            image[part] = torch.maximum(image[part], digit * 12 - 128 + draw(-20, 21, 8, 8)).clamp(-128, 127)
            mask[part] = torch.where(digit >= INK, 1 + split.labels[which] % 2, mask[part])
    return images, masks


def train(net, images, masks, epochs, rate):
    optimiser = torch.optim.Adam(net.parameters(), rate)
    random = torch.Generator().manual_seed(0)
    net.train()
    for epoch in range(epochs):
        for group in optimiser.param_groups:
            group["lr"] = rate * (1 - epoch / epochs)
        for index in torch.randperm(len(images), generator=random).split(32):
            optimiser.zero_grad()
            F.cross_entropy(net(images[index] / 128), masks[index]).backward()
            optimiser.step()
    return net.eval()


@torch.no_grad()
def accuracy(net, images, masks):
    """Of pixels, in percent."""
    return 100 * float((net(images / 128).argmax(1) == masks).double().mean())


@pytest.mark.slow
@pytest.mark.parametrize("bilinear", [False, True], ids=["transposed", "bilinear"])
def test_integer_masks_are_as_good_as_float_ones(bilinear):
    """Within half a point of float at 8 bits, as calibrated; and golden gives those very masks."""
    torch.manual_seed(0)
    data = digits.load()
    images, masks = scenes(data.train, 1500, 1)
    test_images, test_masks = scenes(data.test, 400, 2)
    net = train(UpUNet(3, 1, width=1 / 4, bilinear=bilinear), images, masks, epochs=6, rate=3e-3)
    wanted = accuracy(net, test_images, test_masks)
    ground = 100 * float((test_masks == 0).double().mean())
    assert wanted > ground + 10, "the float network has learned nothing"
    model = hwqat.prepare(net, hwqat.Scheme(), images[:64] / 128).eval()
    found = accuracy(model, test_images, test_masks)
    print(f"ground {ground:.2f} %, float {wanted:.2f} %, 8 bits {found:.2f} %")
    assert found > wanted - 0.5
    golden = hwqat.lower(model).run(test_images[:50].permute(0, 2, 3, 1).numpy())
    assert np.array_equal(golden.argmax(-1), model(test_images[:50] / 128).argmax(1).numpy())
