"""``hwqat migrate``: RUN folders of an older hwqat, which named a file and a class, get the network itself."""

from __future__ import annotations

from pathlib import Path

from ..names import NETWORKS
from .arguments import data_arguments


def arguments(parser) -> None:
    parser.add_argument("folder", metavar="RUN", help="folder of a run; RUN/float is brought over too")
    parser.add_argument(
        "--net",
        metavar="NET",
        help=f"what was trained: {', '.join(NETWORKS)}, or file.py:Net, which is executed (default: what the "
        "run says, if it is one of hwqat's own)",
    )
    data_arguments(parser)


def run(args):
    from .. import data as datasets
    from ..runs.migrate import is_old, load_old, migrate

    folder = Path(args.folder)
    # Its float network may be left where an earlier migration was interrupted.
    old = [each for each in (folder, folder / "float") if is_old(each)] or [folder]
    dataset = datasets.load(load_old(old[0]).data, args.data_dir)
    for each in old:
        done = migrate(each, args.net, dataset, args.typed)
        print(f"brought {each} over: it holds {done.net} on {done.data} by itself now")
    return {"runs": [str(each) for each in old], "net": done.net, "data": done.data, "accuracy": done.accuracy}, 0
