"""Files that were damaged or changed: every kind that a command reads, by seed. One sentence, or what it would be
without the change; never a traceback, a program that is started, memory or time without end."""

import hashlib
import importlib.util
import json
import os
import random
import shutil

import msgspec
import pytest
from guarded import Guard, fault
from mutations import mutated
from toy_builds import write_run

from hwqat.cli import main
from hwqat.manifest import MANIFEST, manifest_file
from hwqat.runs import Run, save_card

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
    "checkpoint": ("checkpoint.safetensors", "tensors", ["train", "digitnet", "--data", "digits", "--float", "--config", "short.toml", "--out", "{}", "--json"], False),
    "sweep": ("sweep.json", "json", ["report", "build", "--sweep", "{}", "--json"], True),
    "journal": ("points.jsonl", "lines", ["sweep", "run", "--rescale", "16", "--limit", "32", "--jobs", "1", "--out", "{}", "--json"], True),
    "sensitivities": ("sensitivity.json", "json", ["search", "run", "--trials", "1", "--images", "16", "--average", "8", "--weights", "7:8", "--out", "{}", "--json"], False),
    "compared": ("compare.json", "json", ["compare", "run/float", "--out", "{}", "--limit", "16", "--epochs", "0", "--batches", "1", "--json"], False),
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with one undamaged folder of each kind: run, build, file, config, half, swept, searched."""
    top = tmp_path_factory.mktemp("whole")
    before = os.getcwd()
    os.chdir(top)
    try:
        write_run(top / "run", width=0.5)
        shutil.copytree(os.path.join(os.path.dirname(__file__), "../hwqat/zoo/digitnet-int8/float"), top / "run/float")
        run(["export", "run", "--out", "build", "--vectors", "8"])
        run(["csim", "build", "--frames", "4"])
        (top / "file").mkdir()
        run(["onnx", "build", "--qonnx", "--plain", "--out", "file/net.onnx"])
        (top / "config").mkdir()
        (top / "config/c.toml").write_text(CONFIG)
        (top / "short.toml").write_text("[float]\nepochs = 2\n")
        run(["sweep", "run", "--rescale", "16", "--limit", "32", "--jobs", "1", "--out", "swept"])
        if importlib.util.find_spec("optuna"):
            run(
                [
                    "search",
                    "run",
                    "--trials",
                    "1",
                    "--images",
                    "16",
                    "--average",
                    "8",
                    "--weights",
                    "7:8",
                    "--out",
                    "searched",
                ]
            )
    finally:
        os.chdir(before)
    return top


def run(words):
    assert main(words) == 0


def folder_of(name):
    if name in ("card", "calls", "weights", "probe", "sample"):
        return "run"
    if name in ("graph", "constants", "frames", "golden", "labels", "plan", "plan, synth", "made", "checked"):
        return "build"
    return {"qonnx": "file", "exported": "file", "config": "config", "training": "config", "sweep": "swept",
            "journal": "swept", "sensitivities": "searched"}.get(name)  # fmt: skip


def answer(done, folder, words):
    """What a command gave: its last line, and the file that it wrote."""
    wrote = folder.with_name(f"{folder.name}.onnx")
    content = wrote.read_bytes() if wrote.exists() else b""
    wrote.unlink(missing_ok=True)
    line = done["out"].splitlines()[-1] if "--json" in words and done["out"] else ""
    return (line.replace(folder.name, "F"), content) if done["code"] == 0 else None


def seal(folder):
    """Every sum of the folder made anew."""
    if (folder / MANIFEST).exists():
        known = json.loads((folder / MANIFEST).read_text())
        files = {file: (folder / file).read_bytes() for file in known["files"]}
        (folder / MANIFEST).write_bytes(manifest_file(known["kind"], files))
        return
    try:
        card = json.loads((folder / "run.json").read_text())
        for file in {*card["files"]} & {path.name for path in folder.iterdir()}:
            card["files"][file] = hashlib.sha256((folder / file).read_bytes()).hexdigest()
        version = card.pop("version")
        save_card(folder, msgspec.convert(card, Run))
        if version != 2:
            (folder / "run.json").write_text(
                (folder / "run.json").read_text().replace('"version": 2', f'"version": {version}')
            )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # what can no longer be sealed is tried as it is


def tried(whole, work, guard, name, seeds, sealed=False):
    """[(seed, what is wrong)]. sealed: with all sums made anew."""
    file, kind, command, found = KINDS[name]
    source, wrong = whole / folder_of(name), []
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


@pytest.fixture(scope="module")
def guarded(whole):
    with Guard(whole, ("verilator", "g++")) as guard:
        yield guard


@pytest.mark.parametrize("name", ["card", "graph", "constants", "config", "qonnx"])
def test_some_changed_files(whole, guarded, name):
    assert tried(whole, whole, guarded, name, range(3)) == []


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
