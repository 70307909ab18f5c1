"""16 bits are enough for M and B: the origin's fixed-point table as a phenomenon, and what makes it go away.

    python benchmarks/constants.py [RUN] [--data-dir .data] [--limit N] [--jobs N] [--tuned RUN8] [--out DIR]

RUN (default zoo:toynet-int8) is evaluated in golden integers with its M and B in ap_fixed<W,I> at a fixed I, truncated
(and so is the sum of requantise), and with I per tensor, rounded to nearest. As in the origin, a fixed format is that of
the middle layers: the first and the last keep <32,16>, and a batch norm in front of a convolution keeps 32 bits. So does,
which the origin does not say of its own, the convolution behind it: one M is 200, the other 0.00001, and no I holds both;
with all in one format ToyNet falls to 10 % at <32,16> already. The others have all constants in the format named.
Constants that do not fit saturate: were they wrapped, as ap_fixed does unless told otherwise, a few large B would hide
what truncation does (hwqat sweep RUN --int-bits 6 --overflow AP_WRAP). It is two sweeps: interrupted, they go on in --out. The plot is --out/constants.svg.

RUN8 is the network after a short fine-tune in which M and B are rounded to 8 bits, so that they are learned with:

    hwqat train toynet --data cifar10 --data-dir .data --config zoo:toynet-constants8 --from RUN --out RUN8

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from timing import table

from hwqat import zoo
from hwqat.errors import HwqatError
from hwqat.figures.plot import Axis, Series, line_plot
from hwqat.passes import Target
from hwqat.quant import Scheme
from hwqat.restore import load_data, restore
from hwqat.runs import load_card
from hwqat.runs.save import save_run
from hwqat.sweep import Point, grid, run_sweep
from hwqat.sweep.output import HEAD, line

#: The origin's ToyNet, float 91.59 %, by the format of its constants.
PUBLISHED = {(32, 10): 91.05, (16, 8): 71.97, (16, 6): 68.93}
#: What keeps its own format while that of the others is fixed.
KEPT = {"stem*": "32,16,AP_TRN", "head.fc": "32,16,AP_TRN", "*downsample*": "32"}
FIXED, FIXED_WIDTHS, AUTO_WIDTHS = (10, 8, 6), (32, 24, 16), (32, 16, 12, 8)
#: Points of accuracy: what a fixed I must lose at 16 bits, and what I per tensor may lose at each width.
COLLAPSE, MAY_LOSE = 10.0, {16: 0.05, 12: 0.1}
TUNED_MAY_LOSE = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", default="zoo:toynet-int8")
    parser.add_argument("--data-dir", default=".data")
    parser.add_argument("--limit", type=int, help="test images at most")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--tuned", metavar="RUN8", help="a run that was trained with constants of 8 bits")
    parser.add_argument("--out", default="build/constants")
    args = parser.parse_args()
    rows = {}
    middle = keeping(args.run, Path(args.out) / "run", args.data_dir)
    for run, points, out in ((middle, truncated(middle), "fixed"), (args.run, rounded(args.run), "auto")):
        result = sweep(args, run, points, Path(args.out) / out)
        rows |= dict(zip(points, result["points"]))
    tuned = None
    if args.tuned:
        (tuned,) = sweep(args, args.tuned, grid(scheme(args.tuned)), Path(args.out) / "tuned")["points"]
    print("\n" + table(("M and B", "published", "integers", "to its 32 bits", "did not fit"), list(cells(rows, tuned))))
    found = bars(rows, tuned)
    print(*(f"{'held  ' if held else 'MISSED'}  {words}" for words, held in found.items()), sep="\n")
    Path(args.out, "constants.svg").write_text(plot(rows, result["net"]) + "\n")
    told = [
        {"format": p.format, "rounding": p.rounding, "accuracy": r["accuracy"], "did_not_fit": r["saturated"]}
        for p, r in rows.items()
    ]
    print(
        json.dumps(
            {
                "net": result["net"],
                "images": result["images"],
                "rows": told,
                "tuned_8_bits": tuned and tuned["accuracy"],
                "bars": found,
            }
        )
    )


def scheme(run: str) -> Scheme:
    card = load_card(zoo.find(run))
    if card.scheme is None:
        raise HwqatError(f"{run} holds a float network; a quantised one is needed")
    return Scheme.from_dict(card.scheme)


def keeping(run: str, copy: Path, data_dir: str | None) -> str:
    """A copy of the run whose scheme has KEPT."""
    layers = scheme(run).layers | {glob: {"rescale": form} for glob, form in KEPT.items()}
    model, card = restore(zoo.find(run), layers=layers)
    save_run(copy, card, model, load_data(card, data_dir))
    return str(copy)


def truncated(run: str) -> list[Point]:
    """A fixed I, everything truncated."""
    forms = {"int_bits": ",".join(map(str, FIXED)), "rescale": ",".join(map(str, FIXED_WIDTHS))}
    return grid(scheme(run), **forms, rounding="TRN", const_rounding="TRN", overflow="SAT")


def rounded(run: str) -> list[Point]:
    return grid(
        scheme(run),
        rescale=",".join(map(str, AUTO_WIDTHS)),
        int_bits="auto",
        rounding="RND",
        const_rounding="RND_CONV",
        overflow="SAT",
    )


def sweep(args, run: str, points: list[Point], out) -> dict:
    print(HEAD)
    return run_sweep(
        str(zoo.find(run)),
        points,
        out,
        limit=args.limit,
        jobs=args.jobs,
        target=Target(fps=1000),
        data_dir=args.data_dir,
        show=lambda row: print(line(row), flush=True),
    )


def wide(rows: dict[Point, dict], point: Point) -> float:
    """Accuracy at 32 bits, all else alike."""
    return next(r["accuracy"] for p, r in rows.items() if (p.rescale, p.int_bits) == (32, point.int_bits))


def cells(rows: dict[Point, dict], tuned: dict | None):
    for p, r in rows.items():
        how = (
            f"<{p.rescale},{p.int_bits}> truncated"
            if p.int_bits != "auto"
            else f"{p.rescale} bits, I per tensor, rounded"
        )
        published = PUBLISHED.get((p.rescale, p.int_bits))
        yield (
            how,
            f"{published:.2f}" if published else "",
            f"{r['accuracy']:.2f}",
            f"{r['accuracy'] - wide(rows, p):+.2f}",
            str(r["saturated"]),
        )
    if tuned:
        best = wide(rows, next(p for p in rows if p.int_bits == "auto"))
        yield (
            f"{tuned['rescale']} bits after a fine-tune",
            "",
            f"{tuned['accuracy']:.2f}",
            f"{tuned['accuracy'] - best:+.2f}",
            str(tuned["saturated"]),
        )


def bars(rows: dict[Point, dict], tuned: dict | None) -> dict[str, bool]:
    """What is asked of these figures."""
    lost = {(p.rescale, p.int_bits): wide(rows, p) - r["accuracy"] for p, r in rows.items()}
    best = wide(rows, next(p for p in rows if p.int_bits == "auto"))
    found = {f"<16,{i}> truncated loses at least {COLLAPSE:g} points": lost[16, i] >= COLLAPSE for i in FIXED}
    found |= {
        f"{w} bits with I per tensor, rounded, lose at most {most:g}": lost[w, "auto"] <= most + 1e-9
        for w, most in MAY_LOSE.items()
    }
    if tuned:
        found[f"8 bits after a fine-tune lose at most {TUNED_MAY_LOSE:g}"] = (
            best - tuned["accuracy"] <= TUNED_MAY_LOSE + 1e-9
        )
    return found


def plot(rows: dict[Point, dict], net: str) -> str:
    lines: dict[str, list[tuple[float, float]]] = {}
    for p, r in sorted(rows.items(), key=lambda pair: pair[0].rescale):
        name = "I per tensor, rounded" if p.int_bits == "auto" else f"I = {p.int_bits}, truncated"
        lines.setdefault(name, []).append((p.rescale, r["accuracy"]))
    order = sorted(lines, key=lambda name: name != "I per tensor, rounded")
    x, y = Axis.around("bits of M and B, W", [8, 32]), Axis.around("accuracy, %", [0, 100])
    return line_plot(
        f"{net}: what 16 bits are enough for", x, y, [Series(name, tuple(lines[name])) for name in order], alone=True
    )


if __name__ == "__main__":
    try:
        main()
    except HwqatError as error:
        raise SystemExit(f"constants.py: {error}") from None
