"""``hwqat train``: float first, then quantisation-aware from the float weights; resumes by itself.

--from takes the weights of another run, float or quantised: 4 bits may start from 6. With --float it trains the float
network on by the quantised one's recipe: the control that a fair comparison wants.

Several GPUs or processes: ``torchrun --nproc-per-node 2 -m hwqat train ...``.
"""

from __future__ import annotations

from pathlib import Path

from .. import data as datasets
from .. import models, zoo
from ..config import read_config
from ..errors import HwqatError
from ..ranks import is_first
from .common import data_arguments

HELP = "train a network, float first and then with the hardware's arithmetic"


def arguments(parser) -> None:
    parser.add_argument("net", metavar="NET", help=f"network: {', '.join(models.NETWORKS)}, or file.py:Net")
    parser.add_argument("--data", required=True, metavar="NAME", help=f"data set: {', '.join(datasets.DATASETS)}")
    data_arguments(parser)
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="F.toml",
        help="TOML with [scheme], [float], [train]: what differs from the defaults; zoo:NAME is one that ships; "
        "of several, the later wins",
    )
    parser.add_argument(
        "--width", type=float, metavar="X", help="multiplies the channels of a network that has a width"
    )
    parser.add_argument(
        "--bits", type=int, metavar="N", help="bits of weights and activations, instead of the scheme's"
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default 0)")
    parser.add_argument(
        "--from", dest="start", metavar="RUN", help="a RUN or zoo:NAME to start from, instead of training a float one"
    )
    parser.add_argument(
        "--teacher",
        metavar="RUN",
        help="a RUN or zoo:NAME to distil from, in float (default: the one that is started from)",
    )
    parser.add_argument("--float", action="store_true", dest="float_only", help="train the float network only")
    parser.add_argument(
        "--tensorboard", action="store_true", help="log for TensorBoard too (its package must be installed)"
    )
    parser.add_argument("--out", required=True, metavar="RUN", help="folder of the run; an unfinished one goes on")


def run(args):
    from ..quant import Scheme
    from ..restore import float_weights, quantised
    from ..runs import Run
    from ..train import default_config, fit, qat_config, require_fit, train_float

    config = read_config(args.config)
    kwargs = {} if args.width is None else {"width": args.width}
    changes = {} if args.bits is None else {"weight_bits": args.bits, "act_bits": args.bits}
    scheme = Scheme.from_dict(config.scheme | changes)
    both = {"seed": args.seed} | ({"tensorboard": True} if args.tensorboard else {})
    float_config = default_config(args.data).with_changes(**config.float | both)
    train_config = qat_config(args.data).with_changes(**config.train | both)
    if args.float_only and args.start is None:
        result = train_float(args.net, args.data, args.out, float_config, data_dir=args.data_dir, net_kwargs=kwargs)
        return _report(args, "float", None, result), 0

    dataset = datasets.load(args.data, args.data_dir)
    if args.start is None:  # what cannot be quantised is said before any training
        fresh = models.build(args.net, **kwargs)
        require_fit(args.net, fresh, dataset)
        quantised(fresh.eval(), scheme, dataset)
    start = zoo.find(args.start or Path(args.out) / "float")
    if args.start is None:
        train_float(args.net, args.data, start, float_config, data_dir=args.data_dir, net_kwargs=kwargs)
    model, begun = float_weights(start)
    if begun.net != args.net or begun.data != args.data:
        raise HwqatError(f"{start} holds {begun.net} on {begun.data}, not {args.net} on {args.data}")
    if kwargs and begun.net_kwargs != kwargs:
        raise HwqatError(f"{start} holds {begun.net} with {begun.net_kwargs or 'width 1'}, not with {kwargs}")
    card = Run(
        net=begun.net,
        net_kwargs=begun.net_kwargs,
        data=begun.data,
        config={},
        seed=args.seed,
        epochs_done=0,
        scheme=None if args.float_only else scheme.to_dict(),
    )
    teacher = _teacher(args.teacher, start, card) if train_config.distill else None
    if not args.float_only:
        model = quantised(model, scheme, dataset)
    result = fit(model, dataset, train_config, args.out, run=card, teacher=teacher)
    return _report(args, "float" if args.float_only else "quantised", start, result), 0


def _teacher(named, start: Path, card):
    """The float network to distil from, of the same data; of a quantised RUN that is named, its weights without quantisers."""
    from ..restore import float_weights, restore_float

    teacher, run = restore_float(start) if named is None else float_weights(zoo.find(named))
    if run.data != card.data:
        raise HwqatError(f"the teacher {named or start} was trained on {run.data}, not on {card.data}")
    return teacher


def _report(args, kind, start, result) -> dict:
    from ..runs import load_card

    reached = {
        "net": args.net,
        "data": args.data,
        "kind": kind,
        "out": str(args.out),
        "valid_accuracy": result.valid_accuracy,
        "test_accuracy": result.test_accuracy,
    }
    if start is not None:
        reached["float_accuracy" if load_card(start).scheme is None else "start_accuracy"] = load_card(
            start
        ).accuracy.get("test")
    if not is_first():  # of several processes, one speaks
        return reached
    for name in ("float_accuracy", "start_accuracy"):
        if name in reached:
            print(f"{name.removesuffix('_accuracy')}: {reached[name]:.2f} % of the test images")
    print(f"{kind}: {result.test_accuracy:.2f} % of the test images (final epoch), in {args.out}")
    return reached
