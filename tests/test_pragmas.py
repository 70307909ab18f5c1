"""Every pragma of every generated design is one that the compiler understands, and finds what it names."""

import re
from functools import cache
from pathlib import Path

import pytest
from drawing import random_case
from pragmas import DIALECTS, Pragma, complaints, every, faults

from hwqat import zoo
from hwqat.backends import hls
from hwqat.passes import Target, make_plan
from hwqat.restore import restore, to_graph

#: One network of each architecture; the others differ in their constants only, and are tried with the slow tests.
ONES = ("digitnet-int8", "toynet-int4", "resnet20-int8", "mobilenetv2-int8")


def design(plan, folder: Path, top: str = "vitis") -> Path:
    """The C++ of a plan, written; tables without their numbers, which no pragma looks at."""
    for name, text in hls.render(plan, "a test", top).items():
        if name.startswith("constants/"):
            text = re.sub(r"= \{\n.*?\n\};", "= {};", text, flags=re.DOTALL)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@cache
def shipped(name: str):
    return make_plan(to_graph(*restore(zoo.find(f"zoo:{name}"))), Target(fps=200e6 / 2**15))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in ONES else pytest.mark.slow) for n in sorted(zoo.names())]
)
def test_pragmas_of_shipped_networks_are_understood(name, dialect, tmp_path):
    (tmp_path / "headers").mkdir()
    for top in hls.DIALECTS:
        assert complaints(design(shipped(name), tmp_path / top, top), dialect, tmp_path / "headers") == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_pragmas_of_random_graphs_are_understood(dialect, tmp_path):
    (tmp_path / "headers").mkdir()
    for seed in range(12):
        for top in hls.DIALECTS:
            built = design(random_case(seed).plan, tmp_path / f"{top}{seed}", top)
            assert complaints(built, dialect, tmp_path / "headers") == [], seed


def test_the_top_has_one_axi_stream_for_each_argument(tmp_path):
    (tmp_path / "headers").mkdir()
    found = every(design(random_case(0).plan, tmp_path / "hls"), "vitis", tmp_path / "headers")
    tops = [p for p in found if p.kind == "interface"]
    assert {p.words for p in tops if "axis" not in p.words} == {("ap_ctrl_none", "port=return")}
    assert all(p.options["port"].startswith(("s_axis", "m_axis")) for p in tops if "axis" in p.words)
    assert {p.kind for p in found} >= {"dataflow", "stream", "pipeline", "unroll", "array_partition"}


@pytest.mark.parametrize(
    "kind, words, said",
    [
        ("interface", ("axis", "s_axis=s_axis"), "unexpected pragma parameter 's_axis'"),  # a macro's parameter `port`
        ("interface", ("axis", "port=nothing"), "no 'nothing' is declared"),
        ("interface", ("mode=axis", "port=in"), "unexpected pragma parameter 'mode'"),  # unknown before 2021.1
        ("array_partition", ("variable=x", "type=complete"), "unexpected pragma parameter 'type'"),
        ("array_partition", ("complete",), "missing 'variable'"),
        ("dependence", ("variable=x", "dependent=true"), "unexpected pragma parameter 'dependent'"),
        ("stream", ("variable=x", "depth="), "missing argument of 'depth'"),
        ("stream", ("variable=other", "depth=2"), "no 'other' is declared"),
        ("inlined", (), "unknown pragma"),
    ],
)
def test_what_a_front_end_would_drop_is_found(kind, words, said):
    (fault, *_) = faults(Pragma("a.cpp", kind, words, "void f(int &in)\n{\n    int x[4];\n    other_thing();"))
    assert said in fault
