"""``hwqat compare``: what quantisation costs a trained float network, as the tables of the whitepaper have it."""

from __future__ import annotations

from pathlib import Path

from ..config import read_config
from ..folders import require_own, tidy
from .arguments import data_arguments
from .numbers import whole


def arguments(parser) -> None:
    parser.add_argument("source", metavar="RUN", help="folder of a float run ('hwqat train --float', or RUN/float)")
    parser.add_argument(
        "--epochs", type=whole(0), default=5, metavar="N", help="of each trained cell; 0 leaves them out (default 5)"
    )
    parser.add_argument(
        "--batches",
        type=whole(1),
        default=100,
        metavar="N",
        help="mini-batches of 32 images for calibration (default 100)",
    )
    parser.add_argument("--limit", type=whole(1), metavar="N", help="test images at most")
    parser.add_argument(
        "--config", metavar="F.toml", help="TOML with [scheme], [train]: what differs from the defaults"
    )
    parser.add_argument("--seed", type=whole(0), default=0, help="of everything random (default 0)")
    parser.add_argument(
        "--out", metavar="DIR", help="folder for compare.json and compare.csv; an interrupted comparison goes on there"
    )
    data_arguments(parser)


def run(args):
    from ..compare import Settings, compare, text, whitepaper, write_result
    from ..progress import bar
    from ..quant import Scheme
    from ..restore import load_data, restore_float
    from ..train import qat_config

    config = read_config([args.config] if args.config else [])
    model, card = restore_float(args.source)
    dataset = load_data(card, args.data_dir)
    settings = Settings(
        scheme=Scheme.from_dict(config.scheme),
        train=qat_config(card.data).with_changes(**config.train | {"epochs": args.epochs, "seed": args.seed}),
        batches=args.batches,
        limit=args.limit,
        begun=card.digest,
    )
    wanted = whitepaper(training=args.epochs > 0)
    keep = None
    if args.out is not None:
        tidy(args.out)
        require_own(args.out, ("cells.json",), ("compare.json", "compare.csv"))
        Path(args.out).mkdir(parents=True, exist_ok=True)
        keep = Path(args.out) / "cells.json"
    with bar(sum(len(row.cells) for table in wanted for row in table.rows), "cell") as progress:
        result = compare(model, dataset, wanted, settings, keep=keep, step=progress.update)
    result = {"net": card.net, "data": card.data} | result
    print(text(result))
    if args.out is not None:
        print(f"\nwrote {', '.join(path.name for path in write_result(result, args.out))} to {args.out}")
    return result, 0
