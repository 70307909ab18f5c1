"""``hwqat train``: float first, then quantisation-aware from the float weights; resumes by itself.

--from takes the weights of another run, float or quantised: 4 bits may start from 6. With --float it trains the float
network on by the quantised one's recipe: the control that a fair comparison wants.

Several GPUs or processes: ``torchrun --nproc-per-node 2 -m hwqat train ...``.
"""

from __future__ import annotations

from pathlib import Path

from .. import processes, zoo
from ..config import read_config
from ..errors import HwqatError
from ..names import DATASETS, FORMS, NETWORKS
from ..ranks import is_first
from .arguments import data_arguments
from .numbers import real, whole

TABLES = ("run",)


def arguments(parser) -> None:
    parser.add_argument("net", metavar="NET", help=f"network: {', '.join(NETWORKS)}, or file.py:Net")
    parser.add_argument(
        "--data",
        required=True,
        metavar="DATA",
        help=f"data set: {', '.join(DATASETS)}, or your own: {FORMS}",
    )
    data_arguments(parser, own=False)
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="F.toml",
        help="TOML with [scheme], [float], [train], and [run] for these options: what differs from the defaults; zoo:NAME is one that ships; "
        "of several, the later wins",
    )
    parser.add_argument(
        "--width",
        type=real(above=0, most=1000),
        metavar="X",
        help="multiplies the channels of a network that has a width",
    )
    parser.add_argument(
        "--bits", type=whole(1, 32), metavar="N", help="bits of weights and activations, instead of the scheme's"
    )
    parser.add_argument("--seed", type=whole(0), default=0, help="of everything random (default 0)")
    parser.add_argument(
        "--from", dest="start", metavar="RUN", help="a RUN or zoo:NAME to start from, instead of training a float one"
    )
    parser.add_argument(
        "--weights",
        metavar="F.pth",
        help="a checkpoint of your own to start from (a state_dict, .pth or .safetensors), instead of training a float one",
    )
    parser.add_argument(
        "--teacher",
        metavar="RUN",
        help="a RUN or zoo:NAME to distil from, in float (default: the one that is started from)",
    )
    parser.add_argument(
        "--teacher-net", metavar="NET", help="the teacher's network, where hwqat cannot read it: a name, or file.py:Net"
    )
    parser.add_argument("--float", action="store_true", dest="float_only", help="train the float network only")
    parser.add_argument(
        "--tensorboard", action="store_true", help="log for TensorBoard too (its package must be installed)"
    )
    parser.add_argument("--out", required=True, metavar="RUN", help="folder of the run; an unfinished one goes on")


def run(args):
    from .. import data as datasets
    from .. import models
    from ..quant import Scheme
    from ..restore import quantised
    from ..runs import Run
    from ..runs.contents import load_contents
    from ..runs.rebuild import rebuild_float
    from ..train import default_config, fit, qat_config, require_fit, train_float
    from ..train.folder import require_free

    processes.started()  # torch may start a compiler
    config = read_config(args.config)
    require_free(args.out)
    if args.weights is not None and args.start is not None:
        raise HwqatError("--weights and --from both say where to start; give one of them")
    dataset = datasets.load(args.data, args.data_dir)
    kwargs = models.kwargs_for(args.net, len(dataset.classes)) | ({} if args.width is None else {"width": args.width})
    changes = {} if args.bits is None else {"weight_bits": args.bits, "act_bits": args.bits}
    scheme = Scheme.from_dict(config.scheme | changes)
    both = {"seed": args.seed} | ({"tensorboard": True} if args.tensorboard else {})
    float_config = default_config(dataset.name).with_changes(**config.float | both)
    train_config = qat_config(dataset.name).with_changes(**config.train | both)
    how = {"net_kwargs": kwargs, "command": args.typed, "weights": args.weights}
    named = train_config.distill and args.teacher is not None  # then it is read before anything is trained
    teacher = _teacher(args, args.teacher, dataset.name) if named else None
    if args.float_only and args.start is None:
        result = train_float(args.net, dataset, args.out, float_config, **how)
        return _report(args, "float", None, result), 0

    if args.start is None:  # what cannot be quantised is said before any training
        fresh = models.build(args.net, **kwargs)
        require_fit(args.net, fresh, dataset)
        quantised(fresh.eval(), scheme, dataset)
    start = zoo.find(args.start or Path(args.out) / "float")
    if args.start is None:
        trained = {} if args.weights is None else {"epochs": 0, "distill": 0.0, "average": 0.0}
        train_float(args.net, dataset, start, float_config.with_changes(**trained), **how)
    contents = load_contents(start)
    begun = contents.run
    if begun.net != args.net or begun.data != dataset.name:
        raise HwqatError(f"{start} holds {begun.net} on {begun.data}, not {args.net} on {dataset.name}")
    if kwargs and begun.net_kwargs != kwargs:
        raise HwqatError(f"{start} holds {begun.net} with {begun.net_kwargs or 'width 1'}, not with {kwargs}")
    card = Run(begun.net, begun.data, {}, args.seed, 0, net_kwargs=begun.net_kwargs, command=args.typed)
    if train_config.distill and teacher is None:
        teacher = _teacher(args, start, dataset.name)
    if args.float_only:  # dropout and heads that only training has are in the network that was typed alone
        model = typed_network(args.net, contents)
    else:
        model = quantised(rebuild_float(contents), scheme, dataset)
    result = fit(model, dataset, train_config, args.out, run=card, teacher=teacher)
    return _report(args, "float" if args.float_only else "quantised", start, result), 0


def _teacher(args, source: str | Path, data: str):
    """The float network to distil from, of the same data; of a quantised RUN that is named, its weights without quantisers."""
    from ..restore import not_float
    from ..runs.contents import load_contents
    from ..runs.rebuild import rebuild_float

    folder = zoo.find(source)
    contents = load_contents(folder)
    if contents.run.scheme is not None and args.teacher is None:
        raise not_float(folder)
    if contents.run.data != data:
        raise HwqatError(f"the teacher {folder} was trained on {contents.run.data}, not on {data}")
    if args.teacher_net is not None:
        return typed_network(args.teacher_net, contents)
    return rebuild_float(contents)


def typed_network(net: str, contents):
    """The float network that was typed, with the weights of a RUN; it must compute what the RUN's does."""
    from .. import models
    from ..runs import MODEL, load_weights
    from ..runs.rebuild import TOLERANCE, differences, real, rebuild_float

    run = contents.run
    model = models.build(net, **run.net_kwargs)
    own = model.state_dict()
    load_weights(model, {name: t for name, t in contents.state.items() if name in own}, contents.folder / MODEL)
    if contents.reading is not None:
        frames = contents.probe.frames
        theirs, typed = (real(each.eval(), run.grid, frames) for each in (rebuild_float(contents), model))
        if wrong := differences(theirs, typed, TOLERANCE):
            raise HwqatError(
                f"{net} computes something else than the network in {contents.folder}: {wrong} of its outputs on the "
                "probe differ; give the source that it was trained with"
            )
    return model


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
        begun = load_card(start)
        reached["float_accuracy" if begun.scheme is None else "start_accuracy"] = begun.accuracy.get("test")
    if not is_first():  # of several processes, one speaks
        return reached
    for name in ("float_accuracy", "start_accuracy"):
        if name in reached:
            print(f"{name.removesuffix('_accuracy')}: {reached[name]:.2f} % of the test images")
    print(f"{kind}: {result.test_accuracy:.2f} % of the test images (final epoch), in {args.out}")
    return reached
