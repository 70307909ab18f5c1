"""From the contents of a RUN to the network that was trained, and the proof that it is that one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from hwqat.data.dataset import Grid
from hwqat.errors import HwqatError
from hwqat.graph import Graph
from hwqat.lower import lower
from hwqat.nn.model import QatModel
from hwqat.prepare import build
from hwqat.quant import Scheme
from hwqat.tracing.network import ReadNetwork, float_network

from .card import AGAIN, MODEL, NETWORK
from .contents import Contents
from .tensors import load_weights

#: How far the outputs of a float network may be from those that were stored, in the largest of them: machines round
#: otherwise. Where golden's integers are held exactly, the float network is only looked at for what it computes.
TOLERANCE, COARSE = 1e-5, 1e-4


def rebuild(contents: Contents) -> QatModel:
    """The quantised network, in eval(), with the integers that were stored; refused if its probe comes out otherwise."""
    run = contents.run
    if run.scheme is None:
        raise HwqatError(
            f"{contents.folder} holds a float network; train it with a scheme first ('hwqat train' without --float)"
        )
    with _sound(contents):
        model = by_scheme(contents, Scheme.from_dict(run.scheme))
        if contents.probe.golden:
            model.keep(contents.integers, contents.coded)
            _prove(contents, differences(contents.probe.golden, golden(lower(model), contents.probe.frames)))
        _proven_float(contents)
    return model


def by_scheme(contents: Contents, scheme: Scheme) -> QatModel:
    """The network by any scheme, in eval(), with the trained tensors as they are."""
    double = any(tensor.dtype == torch.float64 for tensor in contents.state.values())
    reading = ReadNetwork(contents.reading).now() if double else contents.reading
    model = build(reading, scheme, contents.run.grid)
    if double:  # as it was trained
        model.double()
    load_weights(model, contents.state, contents.folder / MODEL)
    return model.eval()


def rebuild_float(contents: Contents) -> ReadNetwork:
    """The float network with the weights of a RUN, be it float or quantised (whose quantisers are left out), in eval()."""
    if contents.reading is None:
        why = contents.run.unread
        raise HwqatError(f"{contents.folder} holds a float network that hwqat cannot read, and cannot rebuild: {why}")
    with _sound(contents):
        return _proven_float(contents)


def _proven_float(contents: Contents) -> ReadNetwork:
    """The float network; refused if it gives other outputs on the probe."""
    network = float_network(contents.reading)
    probe, tolerance = contents.probe, COARSE if contents.probe.golden else TOLERANCE
    _prove(contents, differences(probe.real, real(network, contents.run.grid, probe.frames), tolerance))
    return network


def golden(graph: Graph, frames: np.ndarray) -> tuple[np.ndarray, ...]:
    """The integers of each output on frames (N, H, W, C)."""
    outs = graph.run(frames)
    return outs if isinstance(outs, tuple) else (outs,)


@torch.no_grad()
def real(network: torch.nn.Module, grid: Grid, frames: np.ndarray) -> tuple[np.ndarray, ...]:
    """What a float network, in eval(), gives on frames (N, H, W, C): float32."""
    parameter = next(network.parameters(), torch.zeros(0))
    images = grid.to_real(torch.from_numpy(frames.transpose(0, 3, 1, 2).copy())).to(parameter.device, parameter.dtype)
    outs = network(images)
    return tuple(out.float().cpu().numpy() for out in (outs if isinstance(outs, tuple) else (outs,)))


def differences(wanted: Sequence[np.ndarray], got: Sequence[np.ndarray], tolerance: float = 0.0) -> int:
    """Values that are not what they should be: within ``tolerance`` of the largest; 0: exactly."""
    wrong = abs(len(wanted) - len(got))
    for a, b in zip(wanted, got):
        if a.shape != b.shape:
            wrong += 1
        else:
            room = tolerance * max(1.0, float(np.abs(a).max()))
            wrong += int((~(np.abs(a - b) <= room)).sum())  # NaN is wrong
    return wrong


def _prove(contents: Contents, wrong: int) -> None:
    if wrong:
        every = sum(out.size for out in (*contents.probe.golden, *contents.probe.real))
        raise HwqatError(
            f"what is rebuilt from it is another network than was trained: {wrong} of {every} outputs on its probe "
            f"differ (it was written by hwqat {contents.run.hwqat}, torch {contents.run.torch}); {AGAIN}"
        )


@contextlib.contextmanager
def _sound(contents: Contents) -> Iterator[None]:
    """What a record, a state or a scheme that do not belong together raise is one sentence."""
    try:
        yield
    except HwqatError as error:
        raise HwqatError(f"{contents.folder}: {error}") from None
    except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError, AttributeError, AssertionError) as error:
        words = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise HwqatError(f"{contents.folder / NETWORK} cannot be rebuilt ({words}); {AGAIN}") from None
