"""What starts quickly: help and errors of arguments do not wait for torch, and names are imported when asked for."""

import os
import re
import subprocess
import sys
import time

import pytest

import hwqat
from hwqat.commands import COMMANDS

HEAVY = ("torch", "numpy", "scipy", "fxpmath", "jinja2", "tqdm", "onnx", "sklearn")


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("argv", [[], ["--help"], ["--version"], ["expotr"]], ids=" ".join)
def test_help_and_a_wrong_command_import_nothing_heavy(argv):
    code = f"""import sys
from hwqat.cli import main
try:
    code = main({argv!r})
except SystemExit as stop:
    code = stop.code
print([name for name in {HEAVY!r} if name in sys.modules])
sys.exit(code)"""
    done = run_python(code)
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.returncode == (2 if argv == ["expotr"] else 0)
    shown = done.stdout + done.stderr
    assert argv == ["--version"] or all(name in shown for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_errors_of_every_command_wait_for_nothing_heavy(command):
    """In one process: its help, an option that it has not, and how long both took from the start of Python."""
    code = f"""import sys, time
from hwqat.cli import main
codes = []
for argv in ([{command!r}, '--help'], [{command!r}, '--nonsense', 'x', 'y', 'z']):
    try:
        codes.append(main(argv))
    except SystemExit as stop:
        codes.append(stop.code)
print(codes, [name for name in {HEAVY!r} if name in sys.modules], time.process_time())"""
    done = run_python(code)
    codes, heavy, spent = re.fullmatch(r"(\[.*?\]) (\[.*?\]) (.*)", done.stdout.splitlines()[-1]).groups()
    assert (codes, heavy) == ("[0, 2]", "[]"), done.stderr
    assert float(spent) < 0.3
    assert f"usage: hwqat {command}" in done.stdout
    assert f"'hwqat {command} --help' tells what there is" in done.stderr and "Traceback" not in done.stderr


def test_help_takes_less_than_a_third_of_a_second_of_processor():
    before = os.times()
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "hwqat", "--help"], capture_output=True, check=True)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 0.3, f"{spent:.2f} s of processor, {time.monotonic() - began:.2f} s in all"


def test_what_runs_a_build_waits_for_no_data(digit_build):
    """Neither scikit-learn, which has the digits, nor data sets and runs are imported for a BUILD."""
    code = f"""import sys
from hwqat.cli import main
assert main(["report", {str(digit_build)!r}]) == 0
print([name for name in ("sklearn", "scipy", "hwqat.data", "hwqat.runs", "hwqat.nn") if name in sys.modules])"""
    assert run_python(code).stdout.splitlines()[-1] == "[]"


def test_integers_wait_for_no_compiler(tmp_path):
    """A network is restored, run in integers and exported without torch's compiler, whose import takes seconds."""
    code = f"""import sys
from hwqat.cli import main
assert main(["export", "zoo:digitnet-int4", "--out", {str(tmp_path / "build")!r}, "-q"]) == 0
print([name for name in ("torch._dynamo", "torch._inductor", "sympy") if name in sys.modules])"""
    assert run_python(code).stdout.splitlines()[-1] == "[]"


def test_a_function_keeps_its_name_whoever_imports_its_file_first():
    code = """import hwqat.export, hwqat.lower, hwqat.prepare, hwqat.quantize, hwqat
print([callable(getattr(hwqat, name)) for name in ("export", "lower", "prepare", "quantize")], hwqat.data.load)"""
    done = run_python(code)
    assert done.stdout.startswith("[True, True, True, True] <function load"), done.stderr


def test_every_public_name_is_there_and_no_other():
    assert all(getattr(hwqat, name) is not None for name in hwqat.__all__)
    assert set(hwqat.__all__) <= set(dir(hwqat))
    with pytest.raises(AttributeError, match="module 'hwqat' has no attribute 'exprot'"):
        hwqat.exprot  # noqa: B018
    with pytest.raises(ImportError):
        from hwqat import nonsense  # noqa: F401
