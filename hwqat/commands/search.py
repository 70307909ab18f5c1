"""``hwqat search``: bits for each layer of a RUN, most accuracy within a budget.

Post-training scores on a few hundred training images choose; with --finetune the best of the front are trained for some
epochs each, and the best of those is chosen. Many workers share one --storage; a study is that of one question: another
network, budget, target or choice of bits gets its own. With the same --trials an interrupted one does what it lost and
nothing else; with more, it goes on.
"""

from __future__ import annotations

from .arguments import data_arguments, target_arguments, target_of
from .numbers import real, whole

TABLES = ("target",)


def arguments(parser) -> None:
    parser.add_argument(
        "source", metavar="RUN", help="folder of a run, or zoo:NAME; its weights are quantised as they are"
    )
    parser.add_argument(
        "--average",
        type=real(above=0, most=32),
        metavar="BITS",
        help="weight memory at most, as bits of a weight on average (default 5)",
    )
    parser.add_argument("--most-dsp", type=whole(0, 2**62), metavar="N", help="DSP blocks at most")
    parser.add_argument(
        "--most-memory",
        type=whole(0, 2**62),
        metavar="N",
        help="bits of memory on chip at most: weights, constants, buffers, FIFOs",
    )
    parser.add_argument("--most-cycles", type=whole(0, 2**62), metavar="N", help="cycles a frame at most")
    parser.add_argument("--weights", default="2:8", metavar="BITS", help="bits that weights may get (default 2:8)")
    parser.add_argument("--acts", default="8", metavar="BITS", help="bits that activations may get (default 8)")
    parser.add_argument("--constants", metavar="BITS", help="bits that M and B may get (default: the run's)")
    parser.add_argument("--ends", action="store_true", help="let the first and the last layer be free, too")
    parser.add_argument(
        "--images",
        type=whole(1),
        default=512,
        metavar="N",
        help="training images that choices are judged by (default 512)",
    )
    parser.add_argument(
        "--trials", type=whole(1), default=100, metavar="N", help="trials of the study in all (default 100)"
    )
    parser.add_argument(
        "--finetune",
        type=whole(0),
        default=0,
        metavar="EPOCHS",
        help="train the best of the front so long, and choose among those",
    )
    parser.add_argument(
        "--storage", metavar="URL", help="Optuna's storage; many workers may share one (default: a file in DIR)"
    )
    parser.add_argument("--study", default="hwqat", metavar="NAME", help="name of the study in the storage")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder of the results; an earlier search goes on there"
    )
    target_arguments(parser)
    data_arguments(parser)


def run(args):
    from dataclasses import fields

    from ..search.find import Asked, find

    asked = Asked(**{field.name: getattr(args, field.name) for field in fields(Asked)})
    found, words = find(asked, target_of(args))
    print(words)
    return found, 0
