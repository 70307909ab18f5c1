"""Bad input through the command line: exit code 2 and one sentence, no traceback, and nothing is written.

Inputs are made as products: every option that takes a number with every number that is none of its range, every
argument that takes a folder with everything that is no such folder, and so on.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hwqat import models
from hwqat.cli import main

NONE = ["nan", "inf", "-inf", "1e400", "-1", "abc", "", " ", "1e", "--", "0x10", "9" * 50]
NOT_WHOLE = ["1.5", "1e3", "²", "99999999999"]
QUANTIZE = ("quantize", "digitnet", "--weights", "digit.pth", "--data", "digits")
NUMBERS = {
    ("csim", "BUILD"): {"--frames": ["0", *NOT_WHOLE]},
    ("cosim", "BUILD"): {"--frames": ["0", *NOT_WHOLE], "--stall": ["1", "1.0001", "-0.1", "2"]},
    ("synth", "BUILD"): {"--seeds": ["0", *NOT_WHOLE], "--jobs": ["0", *NOT_WHOLE]},
    ("csynth", "BUILD"): {"--clock": ["0", "-0.0", "1e9"]},
    ("eval", "RUN"): {"--limit": ["0", *NOT_WHOLE]},
    ("export", "RUN", "--out", "OUT"): {
        "--vectors": ["0", *NOT_WHOLE],
        "--clock": ["0", "1e9"],
        "--fps": ["0", "1e300"],
        "--dsp": ["0", *NOT_WHOLE],
        "--rescale": ["0", "1", "65", "16,", "16,x", "16,8,AP_NO", "16,8,AP_TRN,AP_NO", "16:8", "1.5"],
    },
    ("sweep", "RUN", "--rescale", "8", "--out", "OUT"): {
        "--limit": ["0", *NOT_WHOLE],
        "--jobs": ["0", *NOT_WHOLE],
        "--clock": ["0"],
        "--fps": ["0"],
        "--dsp": ["0"],
    },
    ("search", "RUN", "--images", "4", "--out", "OUT"): {
        "--average": ["0", "33"],
        "--most-dsp": NOT_WHOLE[:3],
        "--most-memory": NOT_WHOLE[:3],
        "--most-cycles": NOT_WHOLE[:3],
        "--images": ["0", *NOT_WHOLE],
        "--trials": ["0", *NOT_WHOLE],
        "--finetune": NOT_WHOLE,
    },
    ("compare", "RUN/float", "--out", "OUT"): {
        "--epochs": NOT_WHOLE,
        "--batches": ["0", *NOT_WHOLE],
        "--limit": ["0", *NOT_WHOLE],
        "--seed": NOT_WHOLE,
    },
    ("plan", "RUN"): {
        "--clock": ["0", "1e9"],
        "--fps": ["0", "1e300"],
        "--dsp": ["0", *NOT_WHOLE],
        **{f"--use-{what}": ["0", "101", "1e9"] for what in ("dsp", "lut", "ff", "bram", "uram")},
    },
    (*QUANTIZE, "--out", "OUT"): {
        "--bits": ["0", "33", "17", *NOT_WHOLE],
        "--images": ["0", *NOT_WHOLE],
    },
    ("train", "digitnet", "--data", "digits", "--out", "OUT"): {
        "--width": ["0", "1e4"],
        "--bits": ["0", "33", "17", *NOT_WHOLE],
        "--seed": NOT_WHOLE,
    },
}
LISTS = {
    ("sweep", "RUN", "--out", "OUT"): {
        "--rescale": ["0", "33", "8:33", "1:8"],
        "--weights": ["0", "17", "1:1000000000000"],
        "--acts": ["0", "17"],
        "--acc-bits": ["1", "49"],
        "--int-bits": ["no", "8:9", "1.5"],
        "--rounding": ["AP_NO", "RND_", "ap_rnd"],
        "--const-rounding": ["AP_NO", "AP_SAT"],
        "--overflow": ["AP_NO", "AP_RND"],
        "--acc-overflow": ["AP_WRAP", "AP_NO"],
        "--each": ["channel"],
        "--target": ["xc9"],
    },
    ("search", "RUN", "--images", "4", "--out", "OUT"): {
        "--weights": ["0", "17", "1:1000000000000"],
        "--acts": ["1", "17"],
        "--constants": ["1", "33"],
        "--target": ["xc9"],
    },
    ("layers", "RUN"): {"--image": ["3", "1,8", "a,b,c", "0,8,8", "-1,8,8", "1,99999999999,8", "1,8,8,8"]},
    ("plan", "RUN"): {"--board": ["zcu"], "--part": ["xc9"], "--target": ["xc9"], "--image": ["3", "1,8", "a,b,c"]},
    (*QUANTIZE, "--out", "OUT"): {"--method": ["best"]},
    ("import", "digit.onnx", "--out", "OUT"): {"--data": ["mnist"], "--input": ["int", "uint8:", "int99", "uint8:1/0"]},
    ("eval", "RUN"): {"--engine": ["gold", "GOLDEN", "csim,rtl"]},
    ("synth", "BUILD"): {"--target": ["xc9"]},
    ("csynth", "BUILD"): {"--tool": ["gcc", "vivado"]},
}
#: Of those, what an option takes.
FINE = {("--int-bits", "-3")}
NO_LIST = ["", ",", ":", "8:", ":8", "8,,9", "a", "8:9:0", "8:4", "nan", "-3", "8;9", "8 9 a"]


def product(table: dict, always: list[str]) -> list[list[str]]:
    return [
        [*argv, f"{option}={value}"]
        for argv, options in table.items()
        for option, values in options.items()
        for value in dict.fromkeys([*values, *always])
        if (option, value) not in FINE
    ]


#: What stands where a RUN or a BUILD should.
PLACES = {
    "missing": "no/such/folder",
    "a file": "file.txt",
    "an empty folder": "empty",
    "no name": "",
    "a device": "/dev/null",
    "a pipe": "pipe",
    "a loop": "loop",
    "long": "x" * 300,
    "longer": "y/" * 3000,
    "no text": "\udcff\udcfe",
    "a line": "a\nb",
    "not in the zoo": "zoo:nothing",
    "a card that is none": "card",
    "a card of a list": "list",
    "a deep card": "deep",
    "a binary card": "binary",
    "a card that is a folder": "folder",
    "a manifest that is none": "manifest",
    "an empty manifest": "nothing",
    "the wrong kind": None,
}
RUN_READERS = [
    ["eval", "@"],
    ["export", "@", "--out", "OUT"],
    ["onnx", "@", "--out", "OUT.onnx"],
    ["sweep", "@", "--rescale", "8", "--out", "OUT"],
    ["search", "@", "--out", "OUT"],
    ["compare", "@", "--out", "OUT"],
    ["layers", "@"],
    ["train", "digitnet", "--data", "digits", "--from", "@", "--out", "OUT"],
    ["migrate", "@"],
    ["plan", "@"],
    ["report", "BUILD", "--run", "@"],
]
BUILD_READERS = [["csim", "@"], ["cosim", "@"], ["synth", "@"], ["csynth", "@"], ["report", "@"]]
FILE_READERS = [
    ["import", "@", "--out", "OUT"],
    ["report", "BUILD", "--sweep", "@"],
    ["quantize", "digitnet", "--weights", "@", "--data", "digits", "--out", "OUT"],
    ["quantize", "digitnet", "--weights", "digit.pth", "--data", "@", "--out", "OUT"],
    [*QUANTIZE, "--config", "@", "--out", "OUT"],
    ["cosim", "BUILD", "--rtl", "@"],
    ["train", "digitnet", "--data", "digits", "--config", "@", "--out", "OUT"],
    ["compare", "RUN/float", "--config", "@", "--out", "OUT"],
    ["eval", "CIFAR", "--data-dir", "@"],
    ["train", "resnet20", "--data", "cifar10", "--data-dir", "@", "--out", "OUT"],
]
#: Where OUT cannot be.
NO_OUT = [
    "file.txt",
    "file.txt/below",
    "/dev/null",
    "/dev/null/x",
    "/proc/x",
    "thesis",
    "x" * 300,
    "loop",
    "pipe",
    "\0",
]
WRITERS = [
    ["export", "RUN", "--out", "@"],
    ["export", "BUILD", "--out", "@"],
    ["sweep", "RUN", "--rescale", "8", "--limit", "4", "--jobs", "1", "--out", "@"],
    ["search", "RUN", "--images", "4", "--trials", "1", "--out", "@"],
    ["compare", "RUN/float", "--epochs", "0", "--batches", "1", "--limit", "4", "--out", "@"],
    ["train", "digitnet", "--data", "digits", "--config", "short.toml", "--out", "@"],
    ["onnx", "RUN", "--out", "@"],
    ["import", "digit.onnx", "--data", "digits", "--out", "@"],
    [*QUANTIZE, "--out", "@"],
]
CONFIGS = [
    "x", "[train", "[other]", "train = 3", "[train]\nepochs = -1", "[train]\nepochs = 'a'", "[train]\nepochs = nan",
    "[train]\nlr = inf", "[train]\nlr = nan", "[train]\nlr = 0", "[train]\nnothing = 1", "[train]\nbatch = 0",
    "[train]\nbatch = true", "[train]\nfreeze_bn = 2.0", "[train]\nwarmup = -1", "[train]\noptimizer = 'no'",
    "[train]\nlr = [1]", "[train]\ncheckpoint_minutes = -1", "[float]\nepochs = -1",
    "[float]\naugment = 3", "[scheme]\nweights = 'no'", "[scheme]\nweight_bits = 0", "[scheme]\nweight_bits = 17",
    "[scheme]\nact_bits = 1.5", "[scheme]\nlayers = 3", "[scheme.layers.'nothing*']\nweight_bits = 4",
    "[scheme.layers.'*']\nweight_bits = 'x'", "[scheme.layers.'*']\nnothing = 1", "[scheme]\nrescale = '99'",
    "[scheme]\nrounding = 'AP_NO'", "[scheme]\nbn = 'no'", "[scheme]\nbranch = 'no'",
    "[train]\ndistill = -1", "[train]\ndistill = 2", "\udcff", "[train]\na.b.c = 1", "[" * 5000, "[train]\nlr = 1e400",
]  # fmt: skip
NETS = {
    "no class": "x = 1",
    "no callable": "Net = 3",
    "raises": "raise RuntimeError('no')",
    "exits": "import sys; sys.exit(3)",
    "exits well": "raise SystemExit",
    "no python": "def (",
    "no text": "\0\1",
    "imports what is not there": "import nothing_of_that_name",
    "takes arguments": "class Net:\n    def __init__(self, a): pass",
    "no module": "class Net: pass",
    "gives None": "def Net(): return None",
    "makes no layers": "from torch import nn\nclass Net(nn.Module): pass",
    "raises when made": "def Net(): return 1 / 0",
    "recurses": "def Net(): return Net()",
}
FORWARDS = {
    "raises": "raise ValueError('no')",
    "gives none": "return None",
    "gives a number": "return 3",
    "gives a list": "return [self.fc(x.flatten(1))]",
    "gives a dict": "return {'a': self.fc(x.flatten(1))}",
    "gives images": "return x",
    "gives three classes": "return self.fc(x.flatten(1))[:, :3]",
    "gives a sum": "return self.fc(x.flatten(1)).sum()",
    "gives a frame less": "return self.fc(x.flatten(1))[1:]",
    "does not fit": "return self.fc(x)",
    "branches": "return self.fc(x.flatten(1)) if x.sum() > 0 else self.fc(-x.flatten(1))",
    "draws": "import torch; return self.fc(x.flatten(1) + torch.rand(1))",
    "recurses": "return self.forward(x)",
    "takes what hwqat does not know": "import torch; return self.fc(torch.fft.fft(x).real.flatten(1))",
    "is not a number": "return self.fc(x.flatten(1)) * float('nan')",
    "is endless": "return self.fc(x.flatten(1)) * float('inf')",
    "exits": "raise SystemExit(4)",
}
OWN = """
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 10)
    def forward(self, x):
        {body}
"""
USAGE = [
    ["nonsense"], ["export"], ["csim"], ["csim", "a", "b"], ["train"], ["train", "digitnet"], ["--nothing"],
    ["csim", "BUILD", "--nothing"], ["eval", "RUN", "--engine"], ["sweep", "RUN"], ["search", "RUN"], ["import", "x"],
    ["train", "digitnet", "--data", "mnist", "--out", "OUT"], ["train", "vgg", "--data", "digits", "--out", "OUT"],
    ["train", "digitnet", "--data", "cifar10", "--data-dir", "empty", "--out", "OUT"], ["export", "RUN"],
    ["train", "resnet20", "--data", "digits", "--out", "OUT"], ["export", "RUN", "--out", "OUT", "--fps", "1", "--dsp", "9"],
    ["search", "RUN", "--out", "OUT", "--storage", "nonsense"], ["eval", "BUILD", "--engine", "qat"],
    ["search", "RUN", "--out", "OUT", "--storage", "sqlite:////no/such/folder/x.db"], ["eval", "RUN/float"],
    ["search", "RUN", "--out", "OUT", "--storage", "postgresql://me:s3cret@nowhere/x"], ["export", "RUN/float", "--out", "OUT"],
    ["search", "RUN", "--out", "OUT", "--storage", "nodb://me:s3cret@nowhere/x"], ["compare", "RUN"], ["migrate", "RUN"],
    ["search", "RUN", "--images", "4", "--weights", "4", "--average", "0.001", "--out", "OUT"],
    ["train", "nothing.py:Net", "--data", "digits", "--out", "OUT"], ["train", ":", "--data", "digits", "--out", "OUT"],
    ["train", "os:nothing", "--data", "digits", "--out", "OUT"], ["train", "no.module:Net", "--data", "digits", "--out", "OUT"],
    ["train", "os:getcwd", "--data", "digits", "--out", "OUT"], ["train", "..:x", "--data", "digits", "--out", "OUT"],
    ["train", "digitnet", "--data", "digits", "--teacher", "empty", "--config", "distil.toml", "--out", "OUT"],
    ["train", "resnet20", "--data", "digits", "--from", "RUN", "--out", "OUT"], ["onnx", "RUN", "--out", "empty"],
    ["train", "digitnet", "--data", "digits", "--from", "zoo:resnet20-int8", "--out", "OUT"],
]  # fmt: skip


@pytest.fixture(scope="module")
def place(digit_run, digit_build, tmp_path_factory) -> Path:
    """A folder with all that the inputs name."""
    here = tmp_path_factory.mktemp("bad")
    (here / "file.txt").write_text("a file\n")
    (here / "empty").mkdir()
    os.mkfifo(here / "pipe")
    (here / "loop").symlink_to("loop")
    for name, content in (
        ("card", b"{}"),
        ("list", b"[1]"),
        ("deep", b"[" * 200_000),
        ("binary", b"\0\xff" * 100),
    ):
        (here / name).mkdir()
        (here / name / "run.json").write_bytes(content)
    (here / "folder/run.json").mkdir(parents=True)
    for name, content in (("manifest", b'{"version": 1}'), ("nothing", b"")):
        (here / name).mkdir()
        (here / name / "manifest.json").write_bytes(content)
    (here / "thesis").mkdir()
    for name in ("graph.json", "thesis.tex", "scheme.toml", "sweep.csv", "compare.csv", "model.safetensors"):
        (here / "thesis" / name).write_text("years of work\n")
    (here / "short.toml").write_text("[float]\nepochs = 1\n[train]\nepochs = 1\n")
    (here / "distil.toml").write_text("[train]\ndistill = 0.5\n")
    (here / "configs").mkdir()
    for number, text in enumerate(CONFIGS):
        (here / f"configs/{number}.toml").write_bytes(text.encode(errors="surrogateescape"))
    (here / "nets").mkdir()
    bodies = [OWN.format(body=body) for body in FORWARDS.values()]
    for number, text in enumerate([*NETS.values(), *bodies]):
        (here / f"nets/net{number}.py").write_text(text)
    shutil.copytree(digit_run, here / "RUN")
    shutil.copytree(digit_build, here / "BUILD")
    torch.save(models.build("digitnet").state_dict(), here / "digit.pth")
    assert main(["onnx", str(digit_build), "--qonnx", "--plain", "--out", str(here / "digit.onnx")]) == 0
    return here


def every_input() -> list[list[str]]:
    found = [*USAGE, *product(NUMBERS, NONE), *product(LISTS, NO_LIST)]
    for readers, wrong in ((RUN_READERS, "file.txt"), (BUILD_READERS, "RUN"), (FILE_READERS, "BUILD")):
        for argv in readers:
            if argv[1:2] == ["@"] or readers is not RUN_READERS or "--from" in argv or "--run" in argv:
                found += [[at or wrong if word == "@" else word for word in argv] for at in PLACES.values()]
    found += [[out if word == "@" else word for word in argv] for argv in WRITERS for out in NO_OUT]
    train = ["train", "digitnet", "--data", "digits", "--out", "OUT", "--config"]
    found += [[*train, f"configs/{number}.toml"] for number in range(len(CONFIGS))]
    found += [
        ["train", f"nets/net{number}.py:Net", "--data", "digits", "--config", "short.toml", "--out", "OUT"]
        for number in range(len(NETS) + len(FORWARDS))
    ]
    return found


INPUTS = every_input()


def content_of(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


def test_there_are_enough_inputs():
    assert len({tuple(argv) for argv in INPUTS}) >= 600


def processor_seconds() -> float:
    """Of this process and of those that it has started and seen end; the clock runs on while others have their turn."""
    return sum(os.times()[:4])


def run_main(argv: list[str]) -> int:
    try:
        return main(argv)
    except SystemExit as stop:
        return stop.code


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_bad_input_is_one_sentence_and_nothing_is_written(place, capsys, monkeypatch, part):
    monkeypatch.chdir(place)
    before, faults = content_of(place), []
    for argv in INPUTS[part::8]:
        argv = ["zoo:resnet20-int8" if word == "CIFAR" else word for word in argv]
        began = processor_seconds()
        try:
            code = run_main(argv)
        except BaseException as error:  # a traceback, it would be
            faults.append((argv, f"{type(error).__name__}: {error}"))
            capsys.readouterr()
            continue
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("hwqat: ")]
        said = [line for line in said if not line.startswith("hwqat: warning")]
        after = content_of(place)
        if code != 2 or len(said) != 1 or after != before or processor_seconds() - began > 60:
            changed = [name for name in after.keys() | before.keys() if after.get(name) != before.get(name)]
            faults.append((argv, code, said, changed[:3], round(processor_seconds() - began)))
            for name in sorted(after.keys() - before.keys(), reverse=True):
                path = place / name
                path.rmdir() if path.is_dir() else path.unlink()
            before = content_of(place)
    assert not faults, "\n".join(f"{str(argv)[:150]} -> {what}" for argv, *what in faults)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 << 20  # KiB


@pytest.mark.slow
@pytest.mark.parametrize("number", range(0, len(INPUTS), 29))
def test_a_process_says_the_same(place, number):
    argv = ["zoo:resnet20-int8" if word == "CIFAR" else word for word in INPUTS[number]]
    if any("\0" in word for word in argv):
        pytest.skip("no system call takes it")
    done = subprocess.run(
        [sys.executable, "-m", "hwqat", *argv], cwd=place, capture_output=True, text=True, timeout=300, errors="replace"
    )
    said = [line for line in done.stderr.splitlines() if re.match("hwqat: (?!warning)", line)]
    assert (done.returncode, len(said)) == (2, 1) and "Traceback" not in done.stderr, (argv, done.stderr)
