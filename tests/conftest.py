"""Shared fixtures: one trained DigitNet and one build of it for all tests that need a real one."""

import pytest

from hwqat.cli import main


def pytest_addoption(parser):
    parser.addoption("--regenerate", action="store_true", help="write tests/golden anew from what hwqat writes now")


@pytest.fixture(scope="session")
def digit_run(tmp_path_factory):
    """A RUN folder: DigitNet on digits, 8 bits, trained for a few epochs only (accuracy has its own test)."""
    folder = tmp_path_factory.mktemp("digit")
    (folder / "short.toml").write_text("[float]\nepochs = 3\n[train]\nepochs = 1\n")
    argv = ["train", "digitnet", "--data", "digits", "--config", folder / "short.toml", "--out", folder / "run"]
    assert main([*map(str, argv)]) == 0
    return folder / "run"


@pytest.fixture(scope="session")
def digit_build(digit_run):
    """A BUILD folder of it with eight frames."""
    build = digit_run.parent / "build"
    assert main(["export", str(digit_run), "--out", str(build), "--vectors", "8"]) == 0
    return build
