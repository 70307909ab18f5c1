"""``hwqat layers``: what a network has that a scheme can name, with shapes, bits and multiply-accumulates."""

from __future__ import annotations

from ..config import read_config
from ..console import say_table
from ..errors import HwqatError
from ..names import NETWORKS
from .arguments import data_arguments


def arguments(parser) -> None:
    names = ", ".join(NETWORKS)
    parser.add_argument("source", metavar="NET|RUN", help=f"network: {names}, or file.py:Net; or the folder of a run")
    parser.add_argument("--data", metavar="NAME", help="data set whose images a network of your own takes")
    data_arguments(parser, own=False)
    parser.add_argument("--image", metavar="C,H,W", help="shape of its images, instead of a data set")
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="F.toml",
        help="the [scheme] whose bits are shown, of a NET; of 'plan', [target] too",
    )


def run(args):
    model = network(args) if is_network(args.source) else _of_run(args)
    rows = table_of(model)
    total = sum(row["macs"] for row in rows)
    _say(rows)
    print(f"{len(rows)} layers and activations, {total:,} multiply-accumulates a frame")
    return {"source": args.source, "macs": total, "layers": rows}, 0


def is_network(source: str) -> bool:
    """A name, or file.py:Net; and not a folder."""
    return source in NETWORKS or (":" in source and not source.startswith("zoo:"))


def _of_run(args):
    from ..opening import is_build, open_run

    if args.config or args.image or args.data:
        raise HwqatError(
            f"{args.source} is no network's name, and a RUN has its own scheme and data; leave out the options"
        )
    if is_build(args.source):
        raise HwqatError(
            f"{args.source} is a BUILD, whose report/plan.json has its stages; name the RUN that it was made of"
        )
    return open_run(args.source).model


def network(args):
    """A network by name, prepared with the scheme asked for."""
    from .. import models
    from ..prepare import IMAGE_GRID, noise, prepare
    from ..quant import Scheme
    from ..tracing.record import as_is

    net = models.build(args.source)
    shape, grid = _image(args, net, IMAGE_GRID)
    import torch

    ends = torch.tensor([grid.lo, grid.hi]) * grid.scale
    example = noise(ends.reshape(2, 1, 1, 1).expand(2, *shape), grid, count=2)
    with as_is(net):
        return prepare(net, Scheme.from_dict(read_config(args.config).scheme), example, grid)


def _image(args, network, usual):
    """(C, H, W) of an image, and its integers."""
    from .. import data as datasets

    if args.image is not None:
        try:
            shape = tuple(int(n) for n in args.image.split(","))
            if len(shape) != 3 or min(shape) < 1:
                raise ValueError
        except ValueError:
            raise HwqatError(f"--image must be C,H,W, such as 3,32,32, not {args.image!r}") from None
        return shape, usual
    if args.data is not None:
        dataset = datasets.load(args.data, args.data_dir)
        return dataset.image_shape, dataset.grid
    shape = getattr(network, "input_shape", None)
    if shape is None:
        raise HwqatError(f"{args.source} does not say the shape of its images; give --data NAME or --image C,H,W")
    return tuple(shape), usual


def table_of(model) -> list[dict]:
    """One row for each step that a scheme can name: path, what, shape (as PyTorch orders it), weight_bits, act_bits,
    macs."""
    import torch

    rows: list[dict] = []

    def look(step, xs):
        out = step.fake(*xs)
        weights, acts = step.bits()
        if step.path and (weights is not None or acts is not None):
            shape = [*out.shape[1:]]
            row = {"path": step.path, "what": type(step).__name__, "shape": shape, "weight_bits": weights}
            rows.append(row | {"act_bits": acts, "macs": step.macs(tuple(shape))})
        return out

    training = model.training
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    with torch.no_grad():
        model.eval()._walk(torch.zeros(2, *model.input_shape, device=device), look)
    model.train(training)
    return rows


def _say(rows: list[dict]) -> None:
    bits = lambda n: "" if n is None else str(n)  # noqa: E731
    lines = [
        (
            row["path"],
            row["what"],
            " x ".join(map(str, row["shape"])),
            bits(row["weight_bits"]),
            bits(row["act_bits"]),
            f"{row['macs']:,}" if row["macs"] else "",
        )
        for row in rows
    ]
    say_table(("layer", "what", "shape", "weights", "activations", "MACs"), lines, left=3)
