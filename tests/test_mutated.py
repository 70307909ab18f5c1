"""Files that were damaged or changed: every kind that a command reads, by seed. One sentence, or what it would be
without the change; never a traceback, a program that is started, memory or time without end."""

import dataclasses
import hashlib
import json
import math
import os
import random
import shutil
from functools import partial

import msgspec
import pytest
from guarded import Guard, fault
from mutations import VALUES, mutated
from toy_builds import write_run

from hwqat.cli import main
from hwqat.errors import HwqatError
from hwqat.manifest import MANIFEST, manifest_file
from hwqat.quant import Scheme
from hwqat.quant.scheme import OVERRIDES
from hwqat.runs import Run, save_card
from hwqat.train.config import TrainConfig

#: So many of each kind in the slow test; HWQAT_MUTATIONS=N for more.
EACH = int(os.environ.get("HWQAT_MUTATIONS", "40"))
CONFIG = """\
[scheme]
weight_bits = 6
rescale = "16"
weights = "lsq"
[scheme.layers."stem*"]
weight_bits = 8
[float]
epochs = 2
[train]
epochs = 1
batch_size = 64
lr = 0.01
distill = 0.5
"""
IMPORT = ["import", "{}/net.onnx", "--out", "{}-out", "--json"]
LAYERS = ["layers", "digitnet", "--config", "{}/c.toml", "--json"]
#: name -> (file, its kind, the command on a folder, whether any change of it must be found).
KINDS = {
    "card": ("run.json", "json", ["onnx", "{}", "--out", "{}.onnx"], True),
    "calls": ("network.json", "json", ["onnx", "{}", "--out", "{}.onnx"], True),
    "weights": ("model.safetensors", "tensors", ["onnx", "{}", "--out", "{}.onnx"], True),
    "probe": ("probe.npz", "npz", ["onnx", "{}", "--out", "{}.onnx"], True),
    "sample": ("sample.npz", "npz", ["eval", "{}", "--limit", "8", "--json"], True),
    "graph": ("graph.json", "json", ["onnx", "{}", "--out", "{}.onnx"], True),
    "constants": ("weights.npz", "npz", ["onnx", "{}", "--out", "{}.onnx"], True),
    "frames": ("vectors/s_axis.dat", "text", ["eval", "{}", "--limit", "8", "--json"], True),
    "golden": ("vectors/m_axis.dat", "text", ["report", "{}", "--json"], True),
    "labels": ("vectors/labels.dat", "text", ["report", "{}", "--json"], True),
    "plan": ("report/plan.json", "json", ["report", "{}", "--json"], True),
    "plan, synth": ("report/plan.json", "json", ["csynth", "{}", "--json"], True),
    "made": ("report/export.json", "json", ["report", "{}", "--json"], False),
    "checked": ("report/csim.json", "json", ["report", "{}", "--json"], True),
    "qonnx": ("net.onnx", "onnx", IMPORT, False),
    "exported": ("net.onnx", "onnx", IMPORT, False),
    "config": ("c.toml", "toml", LAYERS, False),
    "training": ("c.toml", "toml", ["train", "file.py:None", "--data", "digits", "--config", "{}/c.toml", "--out", "{}-r"], False),
    "sweep": ("sweep.json", "json", ["report", "build", "--sweep", "{}", "--json"], True),
    "journal": ("points.jsonl", "lines", ["sweep", "run", "--rescale", "16", "--limit", "32", "--jobs", "1", "--out", "{}", "--json"], True),
    "sensitivities": ("sensitivity.json", "json", ["search", "run", "--trials", "1", "--images", "16", "--average", "8", "--weights", "7:8", "--out", "{}", "--json"], False),
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A place for undamaged folders of each kind, each made when it is asked for."""
    return tmp_path_factory.mktemp("whole")


def folder(top, name):
    """The undamaged folder of that name in ``top``: run, build, checked, file, config, swept or searched."""
    if not (top / name).exists():
        before = os.getcwd()
        os.chdir(top)
        try:
            MAKE[name](top)
        finally:
            os.chdir(before)
    return top / name


def make_run(top):
    write_run(top / "run", width=0.5)


def make_build(top):
    folder(top, "run")
    run(["export", "run", "--out", "build", "--vectors", "8"])


def make_checked(top):
    shutil.copytree(folder(top, "build"), top / "checked")
    run(["csim", "checked", "--frames", "4"])


def make_file(top):
    folder(top, "run")
    (top / "file").mkdir()
    run(["onnx", "run", "--qonnx", "--plain", "--out", "file/net.onnx"])


def make_config(top):
    (top / "config").mkdir()
    (top / "config/c.toml").write_text(CONFIG)


def make_swept(top):
    folder(top, "build")
    run(["sweep", "run", "--rescale", "16", "--limit", "32", "--jobs", "1", "--out", "swept"])


def make_searched(top):
    folder(top, "run")
    bits = ["--average", "8", "--weights", "7:8"]
    run(["search", "run", "--trials", "1", "--images", "16", *bits, "--out", "searched"])


MAKE = {
    "run": make_run,
    "build": make_build,
    "checked": make_checked,
    "file": make_file,
    "config": make_config,
    "swept": make_swept,
    "searched": make_searched,
}


def run(words):
    assert main(words) == 0


def folder_of(name):
    if name in ("card", "calls", "weights", "probe", "sample"):
        return "run"
    if name in ("graph", "constants", "frames", "golden", "labels", "plan", "plan, synth", "made"):
        return "build"
    return {"qonnx": "file", "exported": "file", "config": "config", "training": "config", "sweep": "swept",
            "journal": "swept", "sensitivities": "searched"}.get(name)  # fmt: skip


def answer(done, at, words):
    """What a command gave: its last line, and the file that it wrote."""
    wrote = at.with_name(f"{at.name}.onnx")
    content = wrote.read_bytes() if wrote.exists() else b""
    wrote.unlink(missing_ok=True)
    line = done["out"].splitlines()[-1] if "--json" in words and done["out"] else ""
    return (line.replace(at.name, "F"), content) if done["code"] == 0 else None


def seal(at):
    """Every sum of the folder made anew."""
    if (at / MANIFEST).exists():
        known = json.loads((at / MANIFEST).read_text())
        files = {file: (at / file).read_bytes() for file in known["files"]}
        (at / MANIFEST).write_bytes(manifest_file(known["kind"], files))
        return
    try:
        card = json.loads((at / "run.json").read_text())
        for file in {*card["files"]} & {path.name for path in at.iterdir()}:
            card["files"][file] = hashlib.sha256((at / file).read_bytes()).hexdigest()
        version = card.pop("version")
        save_card(at, msgspec.convert(card, Run))
        if version != 2:
            (at / "run.json").write_text((at / "run.json").read_text().replace('"version": 2', f'"version": {version}'))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # what can no longer be sealed is tried as it is


def tried(whole, work, guard, name, seeds, sealed=False):
    """[(seed, what is wrong)]. sealed: with all sums made anew."""
    file, kind, command, found = KINDS[name]
    source, wrong = folder(whole, folder_of(name)), []
    words = lambda at: [word.format(at.name) if "{}" in word else word for word in command]  # noqa: E731
    right = None
    for seed in ("untouched", *seeds):
        at = work / f"m{seed}"
        shutil.copytree(source, at)
        path = at / file
        if seed != "untouched":
            content = mutated(path.read_bytes(), kind, random.Random(f"{name} {seed} {sealed}"))
            if content == path.read_bytes():
                shutil.rmtree(at)
                continue
            path.write_bytes(content)
            if sealed:
                seal(at)
        done = guard(words(at))
        came = answer(done, at, command)
        if seed == "untouched":
            assert done["code"] == 0 or name in ("plan, synth", "training"), done["err"]
            right = came
        elif said := fault(done):
            wrong.append((seed, said))
        elif found and not sealed and came is not None and came != right:
            wrong.append((seed, "another result, and not a word"))
        for rest in (at, at.with_name(f"{at.name}-out"), at.with_name(f"{at.name}-r")):
            shutil.rmtree(rest, ignore_errors=True)
        if (work / "canary").exists():
            wrong.append((seed, "it was executed"))
            (work / "canary").unlink()
    return wrong


ALL = [name for name in KINDS if folder_of(name)]
#: Whose sums a stranger makes anew, so that what reads them comes to see what was changed.
SEALED = [
    "calls",
    "weights",
    "probe",
    "sample",
    "card",
    "graph",
    "constants",
    "frames",
    "golden",
    "labels",
    "plan",
    "plan, synth",
]


def records(value):
    """Makers of what a config becomes where some key has this value."""
    fields = [*dataclasses.fields(Scheme), *dataclasses.fields(TrainConfig)]
    yield from (partial(Scheme.from_dict, {f.name: value}) for f in fields)
    yield from (partial(TrainConfig().with_changes, **{f.name: value}) for f in fields)
    yield from (partial(Scheme.from_dict, {"layers": {"*": {key: value}}}) for key in OVERRIDES)
    yield from (partial(Scheme.from_dict, found) for found in ({"layers": {"*": value}}, {str(value): 1}))


def test_every_key_of_a_config_with_every_value():
    """A record or a sentence, short enough to be read."""
    values = [*VALUES, math.nan, math.inf, 2.5, -3, b"x", {"x": {"y": [0] * 2000}}, "9" * 5000, {"*" * 9000: {}}]
    for make in (make for value in values for make in records(value)):
        try:
            make()
        except HwqatError as error:
            assert str(error).isprintable() and len(str(error)) < 1200


@pytest.fixture(scope="module")
def guarded(whole):
    with Guard(whole, ("verilator", "g++")) as guard:
        yield guard


@pytest.mark.parametrize("name", ["card", "graph", "config", "qonnx"])
def test_some_changed_files(whole, guarded, name):
    assert tried(whole, whole, guarded, name, range(2)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_changed_files(whole, guarded, name):
    """600 and more of them, in all."""
    assert EACH * (len(ALL) + len(SEALED)) >= 600
    if name == "sensitivities":
        pytest.importorskip("optuna")
    wrong = tried(whole, whole, guarded, name, range(EACH))
    assert wrong == [], json.dumps(wrong[:3], indent=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", SEALED)
def test_changed_files_with_sums_made_anew(whole, guarded, name):
    wrong = tried(whole, whole, guarded, name, range(EACH), sealed=True)
    assert wrong == [], json.dumps(wrong[:3], indent=1)
