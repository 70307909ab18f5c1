"""The types of the public API, and of what an operator of one's own builds on, are what mypy finds them to be."""

import subprocess
import sys
from pathlib import Path

import hwqat

ROOT = Path(__file__).parent.parent


def mypy(tmp_path, *files) -> str:
    """What it says of some files, or of those that pyproject.toml lists."""
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_mypy_finds_nothing(tmp_path):
    assert "Success: no issues found in" in (said := mypy(tmp_path)), said


def test_a_mistake_would_be_found(tmp_path):
    """In code that uses the package: its types are shipped."""
    assert (Path(hwqat.__file__).parent / "py.typed").is_file()
    mine = tmp_path / "mine.py"
    mine.write_text("import hwqat\nhwqat.Target(clock_mhz='fast')\nhwqat.Target(clock_mhz=100.0)\n")
    said = mypy(tmp_path, mine)
    assert 'mine.py:2: error: Argument "clock_mhz" to "Target"' in said and said.count("mine.py:") == 1, said
