"""What the tests of whole networks hold: golden is eval(), and how far a quantised network is from the float one."""

import numpy as np
import torch

import hwqat

#: 16 bits everywhere: what is left of an error is that of the tables.
FINE = hwqat.Scheme(16, 16, 16, 16, 16, 16, 16, table_bits=12, calibration="min-max")
COARSE = hwqat.Scheme(per_channel=True)


def frames(shape, count):
    return torch.randint(-128, 128, (count, *shape), generator=torch.Generator().manual_seed(1))


def outputs(out):
    return [out] if isinstance(out, torch.Tensor) else [*out]


def lively(make, shape):
    """A network with random weights whose batch norms have seen images, so that signals neither vanish nor explode."""
    torch.manual_seed(0)
    net = make().eval()
    with torch.no_grad():
        net(frames(shape, 2) / 128)  # lazy layers
        for module in net.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = None
        net.train()
        net(frames(shape, 16) / 128)
    return net.eval()


def lowered(net, q, scheme=COARSE):
    """The graph of a network, its frames (N, H, W, C), golden's outputs, and eval()'s, which have golden's integers."""
    model = hwqat.prepare(net, scheme, q / 128).eval()
    graph, x = hwqat.lower(model), q.reshape(len(q), *model.input_shape).permute(0, 2, 3, 1).numpy()
    golden = graph.run(x)
    golden = golden if isinstance(golden, tuple) else (golden,)
    for a, b in zip(model.integers(q), golden, strict=True):
        assert np.array_equal(a.numpy(), b)
    with torch.no_grad():
        return graph, x, golden, outputs(model(q / 128))


def decibels(wanted, got):
    """Signal to noise at an output, in dB."""
    return 10 * float(torch.log10(wanted.square().sum() / (wanted.flatten() - got.flatten()).square().sum()))
