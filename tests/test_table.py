"""The front end's table: each spelling is one of PyTorch's, nobody asks for a kind by name, and strangers may add."""

import ast
import inspect
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import get_overridable_functions, resolve_name

from hwqat import ops
from hwqat.errors import HwqatError
from hwqat.lower import lower
from hwqat.nn.steps import Step
from hwqat.nn.values import Spec
from hwqat.nn.values import Value as Integers
from hwqat.prepare import prepare
from hwqat.quant import Scheme
from hwqat.tracing import calls
from hwqat.tracing.moves import MOVES, Places
from hwqat.tracing.refusals import Unsupported
from hwqat.tracing.table import KINDS, SPELLINGS, Kind, Read, all_kinds, register, spelled

ROOT = Path(__file__).parents[1]
NAMES = {resolve_name(f) for functions in get_overridable_functions().values() for f in functions}
NAMES |= {name.removesuffix(".__get__") for name in NAMES if name}
KNOWN = {kind.name for kind in all_kinds()}


@pytest.fixture
def table():
    """What a test registers is gone after it."""
    before = dict(KINDS), dict(SPELLINGS)
    yield
    for dictionary, kept in zip((KINDS, SPELLINGS), before):
        dictionary.clear()
        dictionary.update(kept)


def _in_place(name: str) -> bool:
    """Whether it is a function of PyTorch's that works in place."""
    owner = torch
    for part in name.split(".")[1:]:
        owner = getattr(owner, part, None)
    return owner is not None and name.endswith("_") and name[:-1] in NAMES


def _is_function(name: str) -> bool:
    """Whether torch or torch.nn.functional has it; PyTorch's own list forgets some, as hardswish and avg_pool1d."""
    owner = {"torch": torch, "torch.nn.functional": F}.get(name.rpartition(".")[0])
    return owner is not None and callable(getattr(owner, name.rpartition(".")[2], None))


def test_each_spelling_is_one_of_pytorchs():
    assert not [name for name in SPELLINGS if name not in NAMES and not _in_place(name) and not _is_function(name)]
    short = {name.rpartition(".")[2] for name in NAMES if name}
    assert not sorted(name for name in MOVES if name not in short)


#: The first argument is the tensor; these have other names for it, or take several.
FIRST = {"torch.cat": "tensors", "torch.concat": "tensors", "torch.concatenate": "tensors"}


@pytest.mark.parametrize("name", sorted(SPELLINGS))
def test_each_reader_takes_the_tensor_first(name):
    node, first, *_ = inspect.signature(SPELLINGS[name]).parameters
    assert node == "node" and first in ("input", FIRST.get(name), "arguments")


def test_each_kind_is_a_whole_record():
    for kind in all_kinds():
        assert kind.name in KINDS and issubclass(kind.Params, calls.Params)
        assert kind.__doc__ or inspect.getmodule(kind).__doc__

    class Half(Kind):
        name = "half"

        def run(self, call, tensors, training, x):
            return x / 2

    with pytest.raises(TypeError, match="never_negative.*place|place.*never_negative"):
        Half()


def test_nobody_asks_for_a_kind():
    """No comparison with the name of a kind outside its own file; the ends of a network are known to `stored`."""
    found = []
    front = [
        path for folder in ("tracing", "placement", "nn", "quant") for path in (ROOT / "hwqat" / folder).rglob("*.py")
    ]
    for path in sorted([*front, *(ROOT / "hwqat").glob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                asks = any(isinstance(x, ast.Attribute) and x.attr == "kind" for x in sides)
                asks |= any("kind_of" in ast.dump(x) for x in sides)
                words = [x.value for side in sides for x in ast.walk(side) if isinstance(x, ast.Constant)]
                if asks and KNOWN & {word for word in words if isinstance(word, str)}:
                    found.append(f"{path.relative_to(ROOT)}: {ast.unparse(node)}")
    assert found == ["hwqat/tracing/stored.py: kind_of(call).name == 'output'"]


# From outside -----------------------------------------------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self, run, channels=8):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.last, self.run = nn.Conv2d(3, 8, 3), nn.Conv2d(channels, 4, 1), run

    def forward(self, x):
        return self.last(self.run(self.conv(x)))


def check(net):
    """Read rightly, trained a step, and then eval() is golden."""
    q = torch.randint(-128, 128, (4, 3, 8, 6), generator=torch.Generator().manual_seed(0))
    net.eval()
    with torch.no_grad():
        wanted = net(q / 128)
        got = prepare(net, Scheme(16, 16, 12, 16, 12, 16, 16, calibration="min-max"), q / 128).eval()(q / 128)
    assert (wanted - got).norm() < 1e-3 * wanted.norm()
    model = prepare(net, Scheme.uniform(6), q / 128).train()
    model(q / 128).square().mean().backward()
    torch.optim.SGD(model.parameters(), 1e-3).step()
    golden = lower(model.eval()).run(q.permute(0, 2, 3, 1).numpy())
    assert np.array_equal(golden, model.integers(q)[0].numpy())


def test_a_spelling_of_a_kind_that_is_there(table):
    with pytest.raises(HwqatError, match="threshold; use ReLU"):
        check(Net(lambda x: F.threshold(x, 0, 0)))

    @spelled("nn.functional.threshold")
    def read_threshold(node, input, threshold, value, inplace=False):
        assert threshold == value == 0
        return Read("clip", (input,), KINDS["clip"].Params(floor=0.0))

    check(Net(lambda x: F.threshold(x, 0, 0)))
    with pytest.raises(HwqatError, match="there is a reader of torch.nn.functional.threshold already"):
        spelled("nn.functional.threshold")(read_threshold)
    with pytest.raises(HwqatError, match="there is a reader of torch.nn.functional.relu already"):
        spelled("nn.functional.relu")(SPELLINGS["torch.relu"])


def test_a_reader_of_ones_own_takes_the_place_of_one_that_is_there(table):
    @spelled("relu")
    def read_relu(node, input):
        raise Unsupported("no ReLU today")

    check(Net(F.relu))
    with pytest.raises(HwqatError, match="relu; no ReLU today"):
        check(Net(torch.relu))


@dataclass(frozen=True)
class RepeatParams(calls.Params):
    channels: tuple[int, ...] = ()


class Repeated(Step):
    """Channels, some of them several times: a convolution of ones and zeros."""

    sums = True

    def __init__(self, name, inputs, path, block, *, channels, count):
        super().__init__(name, inputs, path, block)
        self.channels, self.count = list(channels), count

    def fake(self, x):
        return x[:, self.channels]

    def spec(self, x):
        return Spec(*(v[self.channels] for v in (x.scale, x.lows, x.highs, x.zero_points)))

    def integers(self, x):
        return Integers(x.q[:, self.channels], self.spec(x.spec))

    def node(self, name, xs, specs):
        weight = np.eye(self.count, dtype=np.int64)[self.channels][:, None, None, :]
        return ops.Conv2d.make(name, xs[0], weight, weight_bits=2, module=self.module)


class Repeat(Kind):
    """Channels of which some are there several times, or not at all."""

    name = "repeat"
    Params = RepeatParams
    moves = True

    def peel(self, places):
        _, *size = places.frame
        pixels = int(np.prod(size, dtype=int))
        if places.numbers.ndim != 3 or places.numbers.shape[1:] != tuple(size):
            return None
        found = places.numbers.reshape(-1, pixels)
        order = found[:, 0] // pixels
        if not bool((found == order[:, None] * pixels + torch.arange(pixels)).all()):
            return None
        frame = (len(order), *size)
        return RepeatParams(tuple(order.tolist())), Places(frame, torch.arange(found.numel()).reshape(frame))

    def run(self, call, tensors, training, x):
        return x[:, list(call.params.channels)]

    def never_negative(self, call, inputs):
        return all(inputs)

    def place(self, draft, call, x):
        source = draft.read(call)
        name = self.again(draft, call, source)
        x = draft.values[call.inputs[0]]
        return replace(x, operands=((name, ()),), ready=None, path=f"{call.label('repeat')}_q", block=call.block)

    def again(self, draft, call, source):
        count = draft.facts.by_name[call.inputs[0]].shape[0]
        path = call.label("repeat")
        return draft.add_step(Repeated, path, call.block, [source], channels=call.params.channels, count=count)


FORMS = {
    "repeat_interleave": lambda x: torch.repeat_interleave(F.relu(x), 2, 1),
    "repeat": lambda x: F.relu(x).repeat(1, 2, 1, 1),
    "index": lambda x: F.relu(x)[:, [0, 0, 1, 2, 3, 4, 5, 5, 6, 7, 1, 0, 2, 3, 4, 7]],
    "expand": lambda x: x[:, :1].expand(-1, 16, -1, -1),
    "by shape": lambda x: x[:, :, None].expand(-1, -1, 2, -1, -1).reshape(len(x), 16, *x.shape[2:]),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_kind_of_ones_own(name, table):
    """A move that no kind does, ours taken away, however it is spelled, with a step that trains, evaluates and lowers."""
    del KINDS["select"]
    with pytest.raises(HwqatError, match="repeated|a part of a tensor|reshaping|use"):
        check(Net(FORMS[name], 16))
    register(Repeat())
    check(Net(FORMS[name], 16))
    with pytest.raises(HwqatError, match="there is a kind of call 'repeat' already"):
        register(Repeat())


def test_a_reader_of_an_unknown_kind_is_told(table):
    @spelled("nn.functional.threshold")
    def read_threshold(node, input, threshold, value, inplace=False):
        return Read("thresh", (input,))

    with pytest.raises(HwqatError, match="the reader of torch.nn.functional.threshold made a call of kind 'thresh'"):
        check(Net(lambda x: F.threshold(x, 0, 0)))


def test_an_argument_that_no_reader_knows_is_refused(table):
    net = Net(lambda x: torch.mean(x, (2, 3), keepdim=True, out=torch.empty(len(x), 8, 1, 1)))
    with pytest.raises(
        HwqatError, match=r"mean; an argument that hwqat does not know \(got an unexpected keyword argument 'out'"
    ):
        check(net)
