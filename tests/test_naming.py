"""Names of files and people: what verify() refuses, and what becomes of the rest in C++, SystemVerilog, Tcl and Python."""

import ast
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from pygments.lexers import CppLexer, SystemVerilogLexer
from pygments.lexers import c_cpp as c_words
from pygments.lexers import hdl as hdl_words
from pygments.token import Keyword
from torch import nn
from toy_builds import resnet, write_build

import hwqat
from hwqat.backends import board, hls, rtl
from hwqat.backends.library import LIBRARY
from hwqat.backends.text import comment
from hwqat.errors import HwqatError
from hwqat.export import export
from hwqat.fixed import Fixed
from hwqat.graph import Graph, verify
from hwqat.naming import MOST_NAME, MOST_PATH, Names, identifier, is_name, is_path, is_reserved, module_path
from hwqat.ops import Input, Output, Requant
from hwqat.passes import Target, make_plan
from hwqat.report import gather, write_report
from hwqat.sim.generated import cosim, csim, gxx, verilator

#: What was meant to get out of a comment, a string, a name or a line.
HOSTILE = {
    "a quote": 'a"); system("touch /tmp/hwqat-was-here',
    "a line": "a\nint x = system(0);",
    "a command": "a; [exec touch here]",
    "a shell": "$(touch here)",
    "a backslash": "a\\",
    "a comment's end": "a */ int x;",
    "a docstring's end": 'a"""\nimport os\n"""',
    "a directive": "`include",
    "a folder": "../../../etc/passwd",
    "a NUL": "a\0b",
    "half a character": "a\udce9",
    "an accent": "größe",
    "Greek": "αβ",
    "a right-to-left mark": "a\u202eb",
    "an escape for the terminal": "a\x1b[2J",
    "a space": "a b",
    "too much": "a" * (MOST_PATH + 1),
    "no text": 7,
}


def graph(name="net", modules=("",), nodes=None, **changes):
    """A chain of requantises, one for each module."""
    form, x = Fixed(8, 2), Input.make("x", (2, 2, 2), lo=-8, hi=7, scale=1.0)
    made = [x]
    for i, module in enumerate(modules):
        node = nodes[i] if nodes else f"q{i}"
        kinds = {"factor_forms": [form], "bias_form": form, "lo": -8, "hi": 7, "module": module}
        made.append(Requant.make(node, [made[-1].out], [[60 + i]], [0, i], **kinds))
    return replace(Graph(name, (*made, Output.make("y", made[-1].out))), **changes)


@pytest.mark.parametrize("text", [*HOSTILE.values(), "", "1a", "_a", "a.b", "a-b"], ids=[*HOSTILE, *"abcde"])
def test_a_graph_s_and_a_node_s_name_is_an_identifier(text):
    for wrong in (graph(text), graph(nodes=[text])):
        with pytest.raises(HwqatError, match="name must be (a C identifier|at most 100 characters long)") as error:
            verify(wrong)
        assert str(error.value).isprintable() and len(str(error.value)) < 400


@pytest.mark.parametrize("text", [*HOSTILE.values(), ".", "a.", ".a", "a..b"], ids=[*HOSTILE, *"abcd"])
def test_a_module_is_dotted_words(text):
    with pytest.raises(HwqatError, match="module must be words of ASCII letters, digits and underscores") as error:
        verify(graph(modules=[text]))
    assert str(error.value).isprintable() and len(str(error.value)) < 400


@pytest.mark.parametrize(
    "meta",
    [
        {"net": "a\nb"},
        {"a\x1b[2J": 1},
        {"classes": ["cat", "d\0g"]},
        {"scheme": {"layers": [{"x": "\udce9"}]}},
        {"net": "x" * 10_001},
        {1: 2},
        {"data": object()},
        {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}}},
    ],
)
def test_facts_are_printable_json(meta):
    with pytest.raises(HwqatError, match="graph 'net': meta") as error:
        verify(graph(meta=meta))
    assert str(error.value).isprintable()


def test_what_is_written_today_passes():
    meta = {"net": "größe.py:Net", "classes": ["猫", "dog"], "accuracy": {"test": 1.5}, "saturated": {}, "data": None}
    assert verify(graph("resnet20", ["", "layer1.0.conv1", "0", "_x"], meta=meta))


def test_names_may_not_differ_in_case_alone():
    with pytest.raises(HwqatError, match="name must be unlike 'conv' in more than case, not 'CONV'"):
        verify(graph(modules=["", ""], nodes=["conv", "CONV"]))


def test_names_are_made_the_same_way_each_time():
    names = Names(["Taken"])
    assert [names.take(n) for n in ("b", "B", "b", "taken", "b_2")] == ["b", "B_2", "b_3", "taken_2", "b_2_2"]
    assert identifier("layer1.0/conv é") == "layer1_0_conv__"
    assert module_path("layer 1.0.größe..") == "layer_1.0.gr__e._._"
    assert identifier("") == "n" and module_path("") == ""
    for text in map(str, HOSTILE.values()):
        assert is_name(identifier(text)) and is_path(module_path(text))
        assert identifier(text) == identifier(text)
    long = ["x" * 500, "x" * 499 + "y"]
    assert identifier(long[0]) != identifier(long[1]) and len(identifier(long[0]) + "_12") <= MOST_NAME


@pytest.mark.parametrize("lexer, module", [(CppLexer, c_words), (SystemVerilogLexer, hdl_words)])
def test_every_keyword_is_reserved(lexer, module):
    """Pygments' own lists of keywords, less those that are ones in few places."""
    words = set(re.findall(r"'([a-z]\w*)'", Path(module.__file__).read_text()))
    kinds = {word: next(iter(lexer().get_tokens(word)))[0] for word in words}
    keywords = {word for word, kind in kinds.items() if kind in Keyword and kind not in Keyword.Type}
    assert len(keywords) > 60
    few = {"countof", "defer", "fortran", "naked", "post", "pre", "restricted", "thread", "throws"}
    assert {word for word in keywords if not is_reserved(word)} <= few


def test_every_macro_of_the_headers_is_reserved():
    """And whatever else stands in the global namespace of a test bench: reserved.txt was made of that."""
    library = "".join(f'#include "hwqat/{name}"\n' for name in hls.library_files())
    command = [gxx.compiler("a test"), "-std=c++14", "-isystem", str(gxx.headers()), "-I", str(LIBRARY.parent)]
    text = library.replace("hwqat/", "hls/") + "#include <ap_fixed.h>\n"
    done = subprocess.run([*command, "-dM", "-E", "-x", "c++", "-"], input=text, capture_output=True, text=True)
    macros = set(re.findall(r"^#define ([A-Za-z]\w*)", done.stdout, re.MULTILINE))
    assert len(macros) > 300
    assert {name for name in macros if not is_reserved(name)} == set()


# ---- what compilers say

#: Names of a user's modules that a language, its library, its files or hwqat itself has already.
MODULES = ["b", "B", "int", "top", "axis", "printf", "s_axis", "EOF", "table", "module", "hwqat", "std", "q0", "x.in"]
MODULES += ["aux", "pipe", "y0", "q1_requant", "q1.requant.out.fifo", "net", "Q3_REQUANT_CONSTANTS", "0", "1.int"]
GRAPHS = ["int", "main", "table", "std", "log", "NULL", "module", "verdict", "hwqat_mvu", "s_axis_in", "con", "Top"]


@pytest.mark.parametrize("name", [GRAPHS[0], *(pytest.param(n, marks=pytest.mark.slow) for n in GRAPHS[1:])])
def test_names_of_networks_compile(name, tmp_path):
    plan = make_plan(graph(name, ["stem", name]), Target(dsp=8))
    assert plan.core == f"{name}_net"
    for text in (hls.render(plan), rtl.render(plan) | rtl.library_files()):
        for file, content in text.items():
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(content)
    sources = [tmp_path / f"{plan.core}.cpp", tmp_path / f"{plan.core}_tb.cpp", *(tmp_path / "blocks").glob("*.cpp")]
    command = [
        gxx.compiler("a test"),
        "-std=c++14",
        "-fsyntax-only",
        "-Wno-unknown-pragmas",
        "-isystem",
        str(gxx.headers()),
    ]
    done = subprocess.run([*command, *map(str, sources)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]
    command = [verilator.program(), "--lint-only", "-Wall", "--quiet", "--top-module", f"{plan.core}_top"]
    sources = sorted(map(str, tmp_path.glob("*.sv")))
    done = subprocess.run(
        [*command, *sources], capture_output=True, text=True, env=verilator.environment(), cwd=tmp_path
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.fixture(scope="module")
def hard_build(tmp_path_factory):
    """A BUILD whose every module has a hard name, made by a command that tries to get out of its comment."""
    folder = tmp_path_factory.mktemp("hard")
    plan = make_plan(verify(graph("table", MODULES)), Target(dsp=64))
    frames = np.random.default_rng(0).integers(-8, 8, (3, 2, 2, 2))
    export(plan, folder / "build", (frames,), command=COMMAND)
    return plan, folder / "build"


COMMAND = 'hwqat export a\nint x = 0;\n# } [exec touch here] \\ ??/ {" """ \u2028 é \udce9 ` $(touch here) --out \\'


def test_blocks_have_names_of_their_own(hard_build):
    plan, build = hard_build
    names = [block.name for block in plan.blocks]
    assert len({name.lower() for name in names}) == len(MODULES)
    assert not any(is_reserved(name) for name in names if not name.endswith("_block"))
    assert names[:4] == ["b", "B_block", "int_block", "top_block"]
    texts = [p.read_text() for p in (build / "hls").rglob("*.h") if p.parent.name != "constants"]  # within a function
    guards = [re.search(r"^#ifndef (\w+)", text, re.M)[1] for text in texts]
    assert len(guards) == len(set(guards))


@pytest.mark.slow
def test_hard_names_are_simulated(hard_build):
    _, build = hard_build
    assert csim.run_csim(build, speed="quick", flags=("-Wall", "-Werror", "-Wno-unknown-pragmas")).mismatches == 0
    result = cosim.run_cosim(build, modes=("none",), speed="quick")
    assert result.mismatches == 0, result.first


def test_a_command_stays_in_its_comment(hard_build):
    _, build = hard_build
    said = comment(COMMAND)
    assert said.startswith(
        "hwqat export a%0Aint x = 0;%0A# %7D [exec touch here] %5C %3F%3F/ %7B%22 %22%22%22 %E2%80%A8"
    )
    sources = [p for folder in ("hls", "vivado") for p in (build / folder).rglob("*") if p.is_file()]
    having = [p for p in sources if "Generated by:" in p.read_text()]
    assert {p.suffix for p in having} == {".h", ".cpp", ".tcl", ".cfg", ".v", ".sv", ".py", ".md"}
    for path in having:
        (line,) = [line for line in path.read_text().splitlines() if "Generated by:" in line]
        assert line.endswith(f"Generated by: {said}. Do not edit; export again.")
    driver = ast.parse((build / "vivado" / "pynq_driver.py").read_text())
    assert said in ast.get_docstring(driver)
    assert not any(isinstance(node, ast.Name) and node.id == "os" for node in ast.walk(driver))


def test_a_command_stays_in_its_comment_for_tcl(hard_build, tmp_path):
    if shutil.which("tclsh") is None:
        pytest.skip("tclsh reads the scripts")
    for script in ("hls/run_hls.tcl", "vivado/block_design.tcl"):
        path = hard_build[1] / script
        (tmp_path / "look.tcl").write_text(
            f"proc unknown args {{return}}\nputs [info complete [read [open {{{path}}}]]]"
        )
        done = subprocess.run(["tclsh", "look.tcl"], cwd=tmp_path, capture_output=True, text=True)
        assert done.stdout == "1\n"
        head = path.read_text().split("\n\n")[0]
        (tmp_path / "head.tcl").write_text(head + "\n")
        done = subprocess.run(["tclsh", "head.tcl"], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "") and not (tmp_path / "here").exists()


# ---- modules of a user


class Twins(nn.Module):
    """Modules whose names differ in case alone, are keywords, or no words at all."""

    def __init__(self):
        super().__init__()
        self.b, self.B = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1)
        self.add_module("größe 1", nn.Conv2d(2, 2, 1))
        self.add_module('"; system("touch here', nn.Conv2d(2, 2, 1))
        self.int = nn.Linear(2, 2)

    def forward(self, x):
        for layer in [*self.children()][:-1]:
            x = torch.relu(layer(x))
        return self.int(x.mean((2, 3)))


def test_modules_of_any_name_are_lowered():
    torch.manual_seed(0)
    images = torch.randint(-128, 128, (4, 1, 4, 4)) / 128
    made = hwqat.lower(hwqat.prepare(Twins().eval(), hwqat.Scheme(), images).eval(), name="int")
    names = [node.name.lower() for node in made.nodes]
    assert len(set(names)) == len(names)
    assert {"b", "B", "gr__e_1", "___system__touch_here", "int"} <= {node.module for node in made.nodes}
    plan = make_plan(made, Target(dsp=20))
    assert plan.core == "int_net" and {"b", "B_block", "int_block"} <= {block.name for block in plan.blocks}
    assert hls.render(plan) and rtl.render(plan) and board.render(plan)


# ---- the report, and folders


class Elements(HTMLParser):
    """Names of elements and of attributes of a page, and its scripts."""

    def __init__(self, page):
        super().__init__()
        self.seen, self.attributes = [], set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes |= {name for name, _ in attrs}


def test_what_people_called_things_is_text_in_a_report(tmp_path):
    nasty = '"><img src=x onerror=alert(1)><script>alert(1)</script>&lt;'
    pages = []
    for word in ("plain", nasty):
        made = resnet(8, 1, (4,), 1, "tiny")
        meta = {
            "net": f"{word}.py:Net",
            "data": word,
            "classes": [f"{word} {i}" for i in range(10)],
            "accuracy": {"test": 9.0},
        }
        build = tmp_path / f"build{len(pages)}"
        write_build(replace(made, meta=meta), build, frames=4)
        pages.append(write_report(gather(build), build, None).read_text())
    plain, hostile = map(Elements, pages)
    assert "<script>alert" not in pages[1] and "&lt;script&gt;alert(1)" in pages[1]
    assert plain.seen == hostile.seen and plain.attributes == hostile.attributes


FOLDER = 'it\'s $(touch canary) [exec touch canary] `touch canary` ; "q" {b} %20 #é'


@pytest.mark.slow
def test_a_build_lies_in_any_folder(tmp_path, hard_build):
    build = shutil.copytree(hard_build[1], tmp_path / FOLDER / "build")
    assert csim.run_csim(build, speed="quick").mismatches == 0
    build = shutil.copytree(
        build, tmp_path / re.sub('[$"]', "", FOLDER) / "build"
    )  # which Verilator's own preprocessor trips over
    assert cosim.run_cosim(build, modes=("none",), speed="quick").mismatches == 0
    assert not [*Path.cwd().glob("canary"), *tmp_path.rglob("canary")]
