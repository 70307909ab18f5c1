"""``hwqat sweep``: accuracy and cost of a RUN over formats of M and B, roundings, bits."""

from __future__ import annotations

from pathlib import Path

from ..console import styled
from .arguments import data_arguments, target_arguments, target_of
from .numbers import whole

TABLES = ("target",)
#: What is given as widths, bits or names, several of each.
FORMATS = (
    "rescale",
    "int_bits",
    "rounding",
    "const_rounding",
    "overflow",
    "acc_bits",
    "acc_overflow",
    "weights",
    "acts",
)


def arguments(parser) -> None:
    parser.add_argument("source", metavar="RUN", help="folder of a run, or zoo:NAME")
    parser.add_argument(
        "--rescale", metavar="W", help="widths of M and B, such as 8:32 or 8,12,16 (default: the run's)"
    )
    parser.add_argument(
        "--int-bits", metavar="I", help="integer bits of M and B, such as auto,16,10,8,6 (default: the run's)"
    )
    parser.add_argument(
        "--rounding", metavar="Q", help="how requantise rounds, such as AP_TRN,AP_RND,AP_RND_CONV (default: the run's)"
    )
    parser.add_argument(
        "--const-rounding",
        metavar="Q",
        help="how M and B are rounded when they are made, such as AP_TRN,AP_RND_CONV (default: the run's)",
    )
    parser.add_argument(
        "--overflow",
        metavar="O",
        help="what becomes of an M or B that does not fit, such as AP_WRAP,AP_SAT (default: the run's)",
    )
    parser.add_argument("--power-of-two", action="store_true", help="also with every M a power of two")
    parser.add_argument("--acc-bits", metavar="BITS", help="also with accumulators of so many bits, such as 10:24")
    parser.add_argument(
        "--acc-overflow",
        metavar="O",
        help="what becomes of a sum that does not fit them: AP_WRAP, AP_SAT (default: both)",
    )
    parser.add_argument(
        "--weights", metavar="BITS", help="bits of weights, such as 2:8, but for the first and last layer"
    )
    parser.add_argument(
        "--acts", metavar="BITS", help="bits of activations, such as 3:8, but for the first and last layer"
    )
    parser.add_argument(
        "--each",
        choices=("layer", "block"),
        metavar="PART",
        help="give the bits to one layer or block at a time: sensitivity",
    )
    parser.add_argument("--limit", type=whole(1), metavar="N", help="test images at most")
    parser.add_argument("--jobs", type=whole(1, 4096), metavar="N", help="processes (default: the number of cores)")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder of the results; an interrupted sweep goes on there"
    )
    target_arguments(parser)
    data_arguments(parser)


def run(args):
    from ..api import sweep
    from ..sweep.output import HEAD, line

    print(styled(HEAD, "bold"))
    found = sweep(
        args.source,
        args.out,
        **{name: getattr(args, name) for name in FORMATS},
        power_of_two=args.power_of_two,
        each=args.each,
        limit=args.limit,
        jobs=args.jobs,
        target=target_of(args),
        data=args.data_dir,
        show=lambda row: print(line(row), flush=True),
    )
    names = ", ".join(["sweep.json", "sweep.csv", *sorted(path.name for path in Path(args.out).glob("*.svg"))])
    print(f"{len(found.points)} points over {found.images} images; wrote {names} to {args.out}")
    return found, 0
