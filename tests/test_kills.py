"""Killed anywhere, by SIGKILL or SIGTERM: the same command again ends with the same bytes, and nothing is left behind."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy_builds

from hwqat.cli import main

EACH, PARTS = 5, 4  # kills of each command: 20
SHORT = "[float]\nepochs = 2\n[train]\nepochs = 2\ncheckpoint_minutes = 0.01\n"
COMMANDS = {
    "train": ["train", "digitnet", "--data", "digits", "--config", "{inputs}/short.toml", "--out", "out"],
    "export": ["export", "{inputs}/run", "--vectors", "4", "--fps", "5000", "--out", "out"],
    "csim": ["csim", "out", "--frames", "2"],
    "sweep": ["sweep", "{inputs}/run", "--rescale", "6:32:2", "--limit", "40", "--jobs", "2", "--out", "out"],
    "search": ["search", "{inputs}/run", "--weights", "4,8", "--images", "8", "--trials", "30", "--out", "out"],
}
#: What tells the time, or belongs to a data base.
TIMES = ("log.csv", "study.db")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "short.toml").write_text(SHORT)
    toy_builds.write_run(folder / "run", width=0.25)
    export = ["export", str(folder / "run"), "--vectors", "4", "--fps", "5000", "--out", str(folder / "build")]
    assert main(export) == 0
    return folder


class Place:
    """A folder with its own cache and scratch, and a mark in the environment of all that is started there."""

    def __init__(self, folder: Path, inputs: Path, name: str):
        self.folder, self.mark = folder, f"{folder.name}-{os.getpid()}"
        folder.mkdir(parents=True)
        for own in ("cache", "tmp"):
            (folder / own).mkdir()
        self.argv = [sys.executable, "-m", "hwqat", *(word.format(inputs=inputs) for word in COMMANDS[name])]
        self.environment = os.environ | {
            "HWQAT_CACHE": str(folder / "cache"),
            "TMPDIR": str(folder / "tmp"),
            "HWQAT_TEST": self.mark,
            "OMP_NUM_THREADS": "1",
        }

    def start(self) -> subprocess.Popen:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                self.argv, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def processes(self) -> list[str]:
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if f"HWQAT_TEST={self.mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
                    found += [pid + " " + Path(f"/proc/{pid}/cmdline").read_text()] if state != "Z" else []
            except OSError:
                pass
        return found

    def survivors(self, patience: float = 20) -> list[str]:
        end = time.monotonic() + patience
        while (found := self.processes()) and time.monotonic() < end:
            time.sleep(0.05)
        return found

    def content(self) -> dict[str, object]:
        out = {str(p.relative_to(self.folder)): p for p in sorted((self.folder / "out").rglob("*")) if p.is_file()}
        found = {name: path.read_bytes() for name, path in out.items() if path.name not in TIMES}
        for name, path in out.items():
            if path.name == "log.csv":
                with path.open(newline="") as file:
                    found[name] = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
        return found

    def left(self) -> list[str]:
        """Whatever is beside the result and the log, and in it or the cache with a name of something unfinished."""
        beside = [p.name for p in self.folder.iterdir() if p.name not in ("out", "cache", "tmp", "log")]
        scratch = [f"tmp/{p.name}" for p in (self.folder / "tmp").iterdir() if "torchinductor" not in p.name]
        hidden = [str(p) for top in ("out", "cache") for p in (self.folder / top).rglob(".*")]
        return [*beside, *scratch, *hidden]


def prepared(folder: Path, inputs: Path, name: str) -> Place:
    place = Place(folder, inputs, name)
    if name == "csim":
        subprocess.run(["cp", "-r", str(inputs / "build"), str(folder / "out")], check=True)
    return place


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_ends_as_if_it_had_not_been(name, part, inputs, tmp_path):
    if name == "search":
        pytest.importorskip("optuna", reason="optuna is not installed (pip install 'hwqat[search]')")
    whole = prepared(tmp_path / "whole", inputs, name)
    began = time.monotonic()
    assert whole.start().wait() == 0, (whole.folder / "log").read_text()
    seconds, wanted = time.monotonic() - began, whole.content()
    assert wanted and whole.left() == [] and whole.survivors() == []
    rng, early = random.Random(f"{name} {part}"), 0
    for number in range(part, part + EACH):
        place, how = prepared(tmp_path / f"{number}", inputs, name), (signal.SIGKILL, signal.SIGTERM)[number % 2]
        for _ in range(1 + number % 3 // 2):  # some are killed twice
            process = place.start()
            time.sleep(rng.uniform(0.1, 1.0) * seconds)
            process.send_signal(how)
            code = process.wait(timeout=120)
            early += code != 0
            assert code in (0, -signal.SIGKILL if how == signal.SIGKILL else 143, -signal.SIGTERM), place.folder
            assert place.survivors() == [], (number, how)
        assert place.start().wait() == 0, (place.folder / "log").read_text()
        assert place.survivors() == []
        assert place.left() == [], (number, how)
        got = place.content()
        assert got.keys() == wanted.keys(), (number, how)
        assert [key for key in wanted if got[key] != wanted[key]] == [], (number, how)
        assert "Traceback" not in (place.folder / "log").read_text()
        subprocess.run(["rm", "-rf", str(place.folder)], check=True)
    assert early > EACH // 2, "too few were killed before they had ended"
