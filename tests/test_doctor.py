"""`hwqat doctor`: what is here is found, what is not is named with a way to get it."""

import json
import stat
from functools import partial

import pytest

from hwqat import tools
from hwqat.cli import main


@pytest.fixture
def fake_tools(tmp_path, monkeypatch):
    """A PATH with one program, and a list of three tools."""
    tool = tmp_path / "brewer"
    tool.write_text("#!/bin/sh\necho 'Brewer, the brewing tool, version 3.14.1 of May'\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    here = tools.Tool("brewer", "brewing", "get brewer", tools.program("absent", "brewer"), needed=True)
    numpy = tools.Tool("numpy", "arrays", "pip install numpy", tools.package("numpy", "__init__.py"))
    absent = tools.Tool("absent", "nothing", "get absent", tools.program("absent"))
    return here, numpy, absent


def test_versions_and_places(fake_tools, tmp_path):
    brewer, numpy, absent = tools.look(fake_tools)
    assert (brewer.version, brewer.place) == ("3.14.1", str(tmp_path / "brewer"))
    assert numpy.there and numpy.place.endswith("__init__.py")
    assert not absent.there and absent.version is None


def test_a_package_without_the_file_asked_for_is_missing():
    assert tools.package("numpy", "no/such/header.h")() is None
    assert tools.package("no-such-package-at-all")() is None


def test_a_program_that_hangs_or_says_nothing_has_an_unknown_version(tmp_path, monkeypatch):
    monkeypatch.setattr(tools, "SECONDS", 0.2)
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 5\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert tools.program("slow")()[0] == "unknown"
    assert tools.program("slow", ask=None)()[0] == "not asked"


def test_exit_code_and_advice(fake_tools, monkeypatch, capsys):
    monkeypatch.setattr(tools, "look", partial(tools.look, fake_tools))
    assert main(["doctor", "--json", "-v"]) == 0
    last, said = capsys.readouterr()
    text = said.splitlines()
    advice = [line.split() for line in text[text.index("To get what is missing:") + 1 :]]
    assert ["absent", "get", "absent"] in advice and ["brewer", "get", "brewer"] not in advice
    found = json.loads(last)
    assert found["ready"] and [t["found"] for t in found["tools"]] == [True, True, False]

    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["doctor", "--json"]) == 1
    assert not json.loads(capsys.readouterr().out.splitlines()[-1])["ready"]


def test_the_real_list_finds_what_these_tests_run_on():
    found = {each.tool.name: each for each in tools.look()}
    assert found["torch"].there
    assert all(each.tool.get and each.tool.enables for each in found.values())
