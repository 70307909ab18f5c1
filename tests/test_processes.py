"""What a command starts does not outlive it, and what it leaves when it is killed is put right by the next one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hwqat import processes
from hwqat.cli import main
from hwqat.folders import tidy, write_whole
from hwqat.processes import gone, identity

#: A compiler that starts another process, tells both, and never ends.
ENDLESS = """#!/bin/sh
case "$*" in *--version*) echo endless 1.0; exit;; esac
sleep 600 &
echo $$ $! >> "$PIDS"
wait
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(what, seconds: float = 20):
    end = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("how, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_no_compiler_outlives_the_command(digit_build, tmp_path, how, code):
    compiler, pids = tmp_path / "g++", tmp_path / "pids"
    compiler.write_text(ENDLESS)
    compiler.chmod(0o755)
    for name in ("cache", "tmp"):
        (tmp_path / name).mkdir()
    environment = os.environ | {
        "CXX": str(compiler),
        "PIDS": str(pids),
        "HWQAT_CACHE": str(tmp_path / "cache"),
        "TMPDIR": str(tmp_path / "tmp"),
    }
    command = subprocess.Popen(
        [sys.executable, "-m", "hwqat", "csim", str(digit_build)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert until(lambda: pids.exists() and len(pids.read_text().split()) >= 4, 60)
    command.send_signal(how)  # to the command alone, not to its group
    said = command.communicate(timeout=30)[1]
    assert command.returncode == code
    assert how == signal.SIGKILL or said.splitlines()[-1] == "hwqat: interrupted"
    assert until(lambda: not [pid for pid in map(int, pids.read_text().split()) if alive(pid)])
    assert until(lambda: not [*(tmp_path / "tmp").iterdir(), *(tmp_path / "cache").rglob(".*")])


def test_a_build_that_was_being_replaced_is_back(digit_build, tmp_path, capsys):
    """A kill between the two renames leaves the old one beside its place; an unfinished new one goes."""
    dead = subprocess.Popen(["sleep", "0"])
    began = processes._begun(dead.pid)
    dead.wait()
    name = f"{dead.pid}-{began}"
    assert gone(name) and not gone(identity()) and not gone("a thesis")
    build = tmp_path / "build"
    shutil.copytree(digit_build, tmp_path / f".build.{name}.old")
    shutil.copytree(digit_build / "hls", tmp_path / f".build.{name}.new")
    mine = tmp_path / f".build.{identity()}.new"
    mine.mkdir()  # of a command that runs
    assert main(["eval", str(build), "--limit", "10"]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([mine.name, "build"])
    (build / "report" / f".csim.json.{name}.tmp").write_text("{")
    shutil.copytree(build, tmp_path / f".build.{name}.old")
    tidy(build)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([mine.name, "build"])
    assert not [*build.rglob(".*")]


def test_only_what_carries_our_manifest_is_replaced(digit_build, digit_run, tmp_path, capsys):
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    for name in ("graph.json", "thesis.tex"):
        (thesis / name).write_text("years of work")
    assert main(["export", str(digit_build), "--out", str(thesis)]) == 2
    assert "was not written by hwqat (it has no manifest.json); choose another --out" in capsys.readouterr().err
    build = shutil.copytree(digit_build, tmp_path / "build")
    (build / "notes.txt").write_text("of mine")
    assert main(["export", str(digit_build), "--out", str(build), "--vectors", "2"]) == 2
    assert "holds notes.txt, which hwqat did not write" in capsys.readouterr().err
    (build / "notes.txt").unlink()
    assert main(["export", str(digit_build), "--out", str(build), "--vectors", "2"]) == 0
    for argv, name in (
        (["train", "digitnet", "--data", "digits", "--float"], "model.safetensors"),
        (["sweep", str(digit_run), "--rescale", "8"], "sweep.csv"),
        (["search", str(digit_run), "--images", "4"], "scheme.toml"),
        (["compare", str(digit_run / "float"), "--epochs", "0"], "compare.csv"),
    ):
        if argv[0] == "search":
            pytest.importorskip("optuna", reason="optuna is not installed (pip install 'hwqat[search]')")
        folder = tmp_path / argv[0]
        folder.mkdir()
        (folder / name).write_text("of mine")
        assert main([*argv, "--out", str(folder)]) == 2
        assert f"holds {name}, which hwqat did not write there" in capsys.readouterr().err
        assert [p.name for p in folder.iterdir()] == [name] and (folder / name).read_text() == "of mine"


def test_a_file_is_written_whole_or_not_at_all(tmp_path, capsys):
    path = tmp_path / "f"
    path.write_text("before")

    def breaks(temporary):
        temporary.write_text("half")
        raise RuntimeError("while it writes")

    with pytest.raises(RuntimeError):
        write_whole(path, breaks)
    assert path.read_text() == "before" and [p.name for p in tmp_path.iterdir()] == ["f"]


def test_passwords_are_not_told(digit_run, tmp_path, capsys):
    pytest.importorskip("optuna", reason="optuna is not installed (pip install 'hwqat[search]')")
    for url in ("postgresql://me:s3cr%2Ft@nowhere/x", "nodb://me:s3cr@t@nowhere/x?password=s3cret"):
        argv = ["search", str(digit_run), "--images", "4", "--storage", url, "--out", str(tmp_path / "out")]
        assert main(argv) == 2
        said = capsys.readouterr()
        assert "s3cr" not in said.err + said.out and "me:***@nowhere" in said.err
    assert not (tmp_path / "out").exists()


def test_what_the_system_refuses_is_one_sentence(digit_build, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HWQAT_CACHE", str(tmp_path / "file"))
    assert main(["csim", str(digit_build)]) == 2
    assert f"cannot use the cache {tmp_path / 'file' / 'csim'}: Not a directory" in capsys.readouterr().err
    for error, said in (
        (OSError(28, "No space left on device"), "the system refused to go on: No space left on device"),
        (PermissionError(13, "Permission denied", "a/b"), "a/b: Permission denied"),
        (MemoryError(), "there is not enough memory for this"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "there is not enough memory for this"),
        (RecursionError("deep"), "nested too deeply"),
    ):
        monkeypatch.setattr("hwqat.opening.sources", lambda *args, error=error: (_ for _ in ()).throw(error))
        assert main(["csim", str(digit_build)]) == 2
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1


def test_a_full_disk_behind_the_output_is_one_sentence(digit_build, tmp_path):
    build = shutil.copytree(digit_build, tmp_path / "build")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "hwqat", "eval", str(build), "--limit", "10"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "hwqat: the system refused to go on: No space left on device"


@pytest.mark.slow
def test_folders_may_have_spaces(digit_run, tmp_path, monkeypatch):
    place = tmp_path / "a place"
    place.mkdir()
    monkeypatch.setenv("HWQAT_CACHE", str(place / "my cache"))
    shutil.copytree(digit_run, place / "my run")
    monkeypatch.chdir(place)
    for argv in (
        ["export", "my run", "--out", "my build", "--vectors", "2"],
        ["csim", "my build"],
        ["cosim", "my build", "--frames", "1", "--waves"],
        ["report", "my build", "--run", "my run"],
    ):
        assert main(argv) == 0, argv
