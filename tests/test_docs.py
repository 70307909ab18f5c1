"""The documentation: every command of the tutorial runs, and the operators and files it names are there."""

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from hwqat.cli import make_parser

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def fenced(page: Path) -> list[tuple[str, str]]:
    """(language, text) of the fenced blocks of a page, in order; a block need not name a language."""
    return re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """Those of one language on a page of docs/."""
    return [text for found, text in fenced(DOCS / page) if found == language]


@pytest.mark.slow
def test_the_tutorial_as_it_is_written(tmp_path):
    """Within fifteen minutes, its own bar."""
    for name, text in zip(("mynet.py", "pretrained.py"), blocks("tutorial.md", "python"), strict=True):
        (tmp_path / name).write_text(text)
    commands = [line for block in blocks("tutorial.md", "bash") for line in block.splitlines()]
    assert len(commands) >= 9
    began, said = time.monotonic(), []
    for command in commands:
        program, *argv = command.split()
        run = {"hwqat": [sys.executable, "-m", "hwqat"], "python": [sys.executable]}[program]
        done = subprocess.run([*run, *argv], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        said.append(done.stdout)
    assert time.monotonic() - began < 15 * 60
    assert sum(" 0 mismatches" in text for text in said) == 4  # C-simulation twice, co-simulation, onnxruntime
    shown = "".join(blocks("tutorial.md", "text")).splitlines()
    exact = [line for line in shown if "%" not in line]  # float training may differ in the last bits by machine
    assert len(exact) == 3 and not [line for line in exact if line not in "\n".join(said).splitlines()]
    assert (tmp_path / "build" / "report" / "index.html").is_file()


#: Pages whose programs and commands run as they stand there, one after the other in one folder.
RUN = ("own_loop.md", "board.md", "waves.md", "exactness.md", "config.md", "widths.md", "interchange.md")


def pieces(page: str) -> list[tuple[str, str]]:
    """Those of a page of docs/."""
    return fenced(DOCS / page)


def run(command: str, folder: Path) -> str:
    """What a line of a page prints; it must end as the line says."""
    program, *argv = shlex.split(command, comments=True)
    start = {"hwqat": [sys.executable, "-m", "hwqat"], "python": [sys.executable]}[program]
    done = subprocess.run([*start, *argv], cwd=folder, capture_output=True, text=True)
    assert done.returncode == int("exits with 1" in command), f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_a_page_as_it_is_written(page, tmp_path):
    """Python blocks that begin with a file's name make that file; shell blocks run; text blocks are lines that were said."""
    if page == "widths.md":
        pytest.importorskip("optuna")
    said, ran = "", 0
    for language, text in pieces(page):
        if language in ("python", "toml") and (name := re.match(r"# (\w+\.\w+)\n", text)):
            with (tmp_path / name[1]).open("a") as file:
                file.write(text.removeprefix(name[0]))
        elif language == "bash":
            for command in text.replace("\\\n", "").splitlines():
                said, ran = said + run(command, tmp_path), ran + 1
        elif language == "text":
            assert not [line for line in text.splitlines() if line not in said.splitlines()], said
    assert ran


OWN = """
import torch
from torch import nn
from torch.utils.data import TensorDataset


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 6, 3, stride=4, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 3),
        )


def make():
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(90) % 3
    images = torch.randint(0, 200, (90, 3, 32, 32), generator=random) + 20 * labels.reshape(-1, 1, 1, 1)
    return TensorDataset(images.to(torch.uint8), labels)
"""


@pytest.fixture
def at_home(tmp_path):
    """What the pages call a user's own: file.py:Net, flowers/ in class folders, net.pth."""
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "file.py").write_text(OWN)
    scope: dict = {}
    exec(OWN, scope)
    for number, (pixels, label) in enumerate(scope["make"]()):
        folder = tmp_path / "flowers" / "rose tulip iris".split()[int(label)]
        folder.mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels.permute(1, 2, 0).numpy()).save(folder / f"{number}.png")
    torch.save(scope["Net"]().state_dict(), tmp_path / "net.pth")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/data.md"])
def test_what_is_shown_with_ones_own_files(page, at_home):
    """Every line of the shell that names a user's own files: the five steps of README, data and weights."""
    shell = "".join(text for language, text in fenced(ROOT / page) if not language)
    commands = [line for line in shell.splitlines() if line.startswith("hwqat ")]
    assert len(commands) >= 6
    said = "".join(run(command, at_home) for command in commands)
    if page == "README.md":
        assert said.count(" 0 mismatches") == 2 and (at_home / "build/mine/report/index.html").is_file()


def test_what_the_parsers_write_is_current():
    done = subprocess.run([sys.executable, DOCS / "reference.py", "--check"], capture_output=True, text=True)
    assert done.stdout == "current\n", done.stdout + done.stderr


@pytest.mark.slow
def test_the_table_of_boards_is_current():
    done = subprocess.run([sys.executable, DOCS / "boards.py", "--check"], capture_output=True, text=True)
    assert done.stdout == "current\n", done.stdout + done.stderr


def test_the_readme_is_short_and_its_picture_small():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    (picture,) = re.findall(r"!\[.+\]\((.+)\)", text)
    assert 10_000 < (ROOT / picture).stat().st_size < 200_000
    for link in re.findall(r"\]\(((?!http)[\w./-]+)\)", text):
        assert (ROOT / link).exists(), link


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
def test_commands_of_a_page_are_understood(page):
    """Every command line that a page shows has the options that it shows; none is run."""
    shell = "".join(text for language, text in fenced(page) if language in ("", "bash"))
    for line in re.findall(r"^hwqat (.*)$", shell.replace("\\\n", ""), re.MULTILINE):
        words = line.split("#")[0].split()
        parser = make_parser(words)
        if "--config" in words:  # whose file says what is not typed
            for action in parser.typed._actions:
                action.required, action.nargs = False, action.nargs or (None if action.option_strings else "?")
        parser.parse_args(words)


@pytest.mark.parametrize("page", sorted(p.name for p in DOCS.glob("*.md")))
def test_files_that_a_page_names_are_there(page):
    named = re.findall(r"`((?:hwqat|hls|sim|templates|tests)/[\w./-]+)`", (DOCS / page).read_text())
    for name in named:
        if "NAME" not in name:
            assert (ROOT / name).exists(), f"{page} names {name}"


def test_every_page_is_in_the_menu_and_on_the_first_page():
    pages = sorted(p.name for p in DOCS.glob("*.md"))
    assert sorted(re.findall(r": (\w+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)) == pages
    assert sorted(["index.md", *re.findall(r"\((\w+\.md)\)", (DOCS / "index.md").read_text())]) == pages


def test_the_tree_in_the_readme_is_the_tree():
    """All that it names is there, and it names every package."""
    tree = (ROOT / "README.md").read_text().split("## The tree", 1)[1].split("```")[1]
    named = {name.rstrip("/") for name in re.findall(r"hwqat/\w+|\w+/(?= |$)", tree, re.MULTILINE)}
    assert not [name for name in named if not (ROOT / name).is_dir() and not (ROOT / f"{name}.py").is_file()]
    packages = {f"hwqat/{p.parent.name}" for p in (ROOT / "hwqat").glob("*/__init__.py") if not p.parent.is_symlink()}
    assert packages <= named and {"templates", "hls", "sim", "tests", "benchmarks", "docs"} <= named
