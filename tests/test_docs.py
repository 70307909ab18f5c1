"""The documentation: every command of the tutorial runs, and the operators and files it names are there."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language on a page, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_tutorial_as_it_is_written(tmp_path):
    """Within fifteen minutes, its own bar."""
    (network,) = blocks("tutorial.md", "python")
    (tmp_path / "mynet.py").write_text(network)
    commands = [line for block in blocks("tutorial.md", "bash") for line in block.splitlines()]
    assert len(commands) >= 7
    began, said = time.monotonic(), []
    for command in commands:
        program, *argv = command.split()
        assert program == "hwqat"
        done = subprocess.run([sys.executable, "-m", "hwqat", *argv], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        said.append(done.stdout)
    assert time.monotonic() - began < 15 * 60
    assert sum(" 0 mismatches" in text for text in said) == 3  # C-simulation, co-simulation, onnxruntime
    assert (tmp_path / "build" / "report" / "index.html").is_file()


@pytest.mark.parametrize("page", sorted(p.name for p in DOCS.glob("*.md")))
def test_files_that_a_page_names_are_there(page):
    named = re.findall(r"`((?:hwqat|hls|sim|templates|tests)/[\w./-]+)`", (DOCS / page).read_text())
    for name in named:
        if "NAME" not in name:
            assert (ROOT / name).exists(), f"{page} names {name}"


def test_every_page_is_in_the_menu():
    menu = re.findall(r": (\w+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(menu) == sorted(p.name for p in DOCS.glob("*.md"))
