"""``hwqat quantize``: `hwqat.quantize` on the command line: a trained float network to a RUN, without training."""

from __future__ import annotations

from pathlib import Path

from ..names import DATASETS, FORMS, NETWORKS
from .arguments import data_arguments
from .numbers import whole

#: Training images to look at, where nobody says how many.
IMAGES = 1024


def arguments(parser) -> None:
    parser.add_argument("net", metavar="NET", help=f"network: {', '.join(NETWORKS)}, or file.py:Net")
    parser.add_argument(
        "--weights", required=True, metavar="F.pth", help="its trained weights: a state_dict, .pth or .safetensors"
    )
    parser.add_argument("--data", required=True, metavar="DATA", help=f"{', '.join(DATASETS)}, or your own: {FORMS}")
    data_arguments(parser, own=False)
    parser.add_argument("--bits", type=whole(1, 32), metavar="N", help="bits of weights and activations (default 8)")
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="F.toml",
        help="TOML with [scheme]: what differs from its defaults",
    )
    parser.add_argument(
        "--method",
        default="nearest",
        metavar="M",
        help="how weights are rounded: nearest (seconds, default), adaround, brecq (minutes; better at few bits)",
    )
    parser.add_argument(
        "--equalise", action="store_true", help="even out the channels first (cross-layer equalisation)"
    )
    parser.add_argument("--correct", action="store_true", help="take off what rounding adds to the mean of each sum")
    parser.add_argument(
        "--images",
        type=whole(1),
        metavar="N",
        help=f"training images to look at (default {IMAGES:,}, or all there are)",
    )
    parser.add_argument(
        "--out", required=True, metavar="RUN", help="folder of the run; an earlier run there is replaced"
    )


def run(args):
    from .. import data as datasets
    from .. import models
    from ..config import read_config
    from ..errors import HwqatError
    from ..folders import replacing
    from ..quant import Scheme
    from ..quantize import quantize
    from ..runs import Run
    from ..runs.save import save_run
    from ..train import accuracy, require_fit
    from ..train.checkpoints import load_checkpoint

    out = Path(args.out).absolute()
    _require_ours(out)
    changes = {} if args.bits is None else {"weight_bits": args.bits, "act_bits": args.bits}
    scheme = Scheme.from_dict(read_config(args.config).scheme | changes)
    dataset = datasets.load(args.data, args.data_dir)
    kwargs = models.kwargs_for(args.net, len(dataset.classes))
    model = models.build(args.net, **kwargs)
    require_fit(args.net, model, dataset)
    load_checkpoint(model, args.weights)
    images = min(IMAGES, len(dataset.train)) if args.images is None else args.images
    if not 1 <= images <= len(dataset.train):
        raise HwqatError(f"--images must be 1..{len(dataset.train)}, not {images}")
    seen = dataset.to_real(dataset.train.images[:images]).split(128)
    made = quantize(
        model.eval(),
        seen,
        scheme,
        dataset.grid,
        method=args.method,
        equalise_channels=args.equalise,
        correct_means=args.correct,
    )
    reached = {}
    with replacing(out, _require_ours) as fresh:
        for name, network, folder in (("float", model, fresh / "float"), ("quantised", made.model, fresh)):
            measured = {split: _percent(accuracy(network, getattr(dataset, split), dataset.grid)) for split in SPLITS}
            card = Run(args.net, dataset.name, {}, 0, 0, net_kwargs=kwargs, accuracy=measured, command=args.typed)
            save_run(folder, card, network, dataset)
            reached[name] = measured
            print(f"{name}: {measured['test']:.2f} % of the {len(dataset.test)} test images")
    print(f"wrote {args.out}; 'hwqat export {args.out} --out BUILD' makes its hardware")
    return {"net": args.net, "data": dataset.name, "out": args.out, "accuracy": reached}, 0


def _require_ours(out: Path) -> None:
    """HwqatError unless nothing is at ``out``, or a RUN and nothing beside it."""
    from ..errors import HwqatError
    from ..runs import CARD, MODEL, NETWORK, PROBE, SAMPLE, load_card
    from ..train import board, checkpoint
    from ..train.folder import LOG

    known = {CARD, MODEL, NETWORK, PROBE, SAMPLE, LOG, checkpoint.NAME, board.FOLDER, "float"}
    if out.exists() and not out.is_dir():
        raise HwqatError(f"{out} is a file; choose another --out")
    for folder in (out, out / "float"):
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        if names and CARD not in names:
            raise HwqatError(f"{folder} exists and is no RUN (it has no {CARD}); choose another --out")
        if names:
            load_card(folder)
        if strange := sorted(names - known):
            raise HwqatError(f"{folder} holds {strange[0]}, which hwqat did not write; choose another --out")


SPLITS = ("valid", "test")


def _percent(value: float) -> float | None:
    return None if value != value else value  # NaN: of no images
