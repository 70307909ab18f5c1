"""The programs in examples/ run as they stand there; so does the notebook, in a kernel."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hwqat.boards import BOARDS

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name, folder):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *([] if name == "which_board.py" else [str(folder)])],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_every_example_is_tried():
    tried = Path(__file__).read_text()
    assert not [path.name for path in EXAMPLES.iterdir() if path.is_file() and f'"{path.name}"' not in tried]


def test_a_table_of_boards(tmp_path):
    head, *rows = run("which_board.py", tmp_path)
    assert head.split()[:2] == ["board", "frames/s"] and [row.split()[0] for row in rows] == list(BOARDS)
    rates = [float(row.split()[1].replace(",", "")) for row in rows]
    assert all(rate > 1000 for rate in rates) and max(rates) > min(rates)


def test_a_float_network_to_simulated_hardware(tmp_path):
    accuracy, first, plan, csim = run("from_float.py", tmp_path)
    words = accuracy.split()
    assert float(words[1]) > 90 and abs(float(words[1]) - float(words[4])) < 2
    assert first.startswith("the first image is a ") and "frames/s" in plan
    assert csim == "C-simulation: 16 frames, 0 mismatches"
    assert (tmp_path / "build" / "vivado" / "pynq_driver.py").is_file()


@pytest.mark.slow
def test_four_bits_and_the_rtl(tmp_path):
    *_, accuracy, cosim = run("four_bits.py", tmp_path)
    assert float(accuracy.split()[5]) > 95
    assert cosim.startswith("co-simulation: 4 frames, 0 mismatches, ")


@pytest.mark.slow
def test_the_notebook(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    book = nbformat.read(EXAMPLES / "digits.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells), "it is kept without its outputs"
    nbclient.NotebookClient(book, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = [out.text for cell in book.cells for out in cell.get("outputs", []) if out.output_type == "stream"]
    assert "logits that differ: 0\n" in said and "16 frames, 0 mismatches\n" in said
    assert any("98.89 % by the integers" in text for text in said)
