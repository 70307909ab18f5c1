"""Every shipped network through C-simulation and RTL co-simulation: integers that differ from golden, of real images.

    python benchmarks/shipped.py [NAME ...] [--frames 2] [--csim-frames 16] [--cycles 32768]

Without names, all of hwqat/zoo but the repetitions with other seeds. RTL runs without stalls and with stalls at both
ends, and its cycles are held to the cycle model. Minutes of processor for each of ResNet20 and MobileNetV2.
The last line is one JSON object. Exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path

from timing import table

from hwqat import zoo
from hwqat.cli import main as hwqat

CLOCK_MHZ = 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--frames", type=int, default=2, help="of the co-simulation")
    parser.add_argument("--csim-frames", type=int, default=16)
    parser.add_argument("--cycles", type=int, default=2**15, help="of a frame")
    args = parser.parse_args()
    rows = []
    for name in args.names or [name for name in zoo.names() if "-seed" not in name]:
        with tempfile.TemporaryDirectory() as folder:
            rows.append({"network": name, **measure(name, Path(folder) / "build", args)})
        print(f"{name}: {rows[-1]}", file=sys.stderr, flush=True)
    print(table([*rows[0]], [[*map(str, row.values())] for row in rows]))
    print(json.dumps({"rows": rows}))
    return int(any(row["csim"] or row["cosim"] for row in rows))


def measure(name: str, build: Path, args) -> dict:
    """Mismatches of both engines, frames, cycles as they were and as the model says, and processor seconds."""
    began = sum(os.times()[:4])
    rate = ["--fps", str(CLOCK_MHZ * 1e6 / args.cycles), "--clock", str(CLOCK_MHZ)]
    plan = told("export", f"zoo:{name}", "--out", build, "--vectors", max(args.frames, args.csim_frames), *rate)
    csim = told("csim", build, "--frames", args.csim_frames)
    cosim = told("cosim", build, "--frames", args.frames, "--stall", 0.3)
    return {
        "csim frames": csim["frames"],
        "csim": csim["mismatches"],
        "cosim frames": cosim["frames"],
        "cosim": cosim["mismatches"],
        "fill": cosim["fill_cycles"],
        "steady": cosim["steady_cycles"],
        "planned": plan["cycles"],
        "s": round(sum(os.times()[:4]) - began),
    }


def told(*words) -> dict:
    """The JSON of a command; 1 says that something differs, which its numbers do, too."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = hwqat([*map(str, words), "--json"])
    if code not in (0, 1):
        raise SystemExit(code)
    return json.loads(out.getvalue().splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
