"""The tree is formatted and linted, as pyproject.toml says."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("look", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff_finds_nothing(look):
    done = subprocess.run([sys.executable, "-m", "ruff", *look, ROOT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
