"""The whole text of DigitNet's HLS project, a block, core and top of its RTL, and ResNet20's constants of requantise, as
a reader would find them, kept in tests/golden.

A change of a template, of the library's interface or of the plan shows here as a diff to read. Where it is meant:

    pytest tests/test_golden_text.py --regenerate

Tables of constants are kept as their first lines and a checksum.
"""

import difflib
import hashlib
import shutil
from pathlib import Path

import pytest

from hwqat import zoo
from hwqat.backends import board, hls, rtl
from hwqat.passes import Target, make_plan
from hwqat.restore import restore, to_graph

GOLDEN = Path(__file__).parent / "golden"
#: A block with a window, a fork and a join, and what is around it.
RTL = ("digitnet_blocks_1.sv", "digitnet.sv", "digitnet_top.sv")
RESNET20 = ("stem_act", "stages_0_0_relu2")
#: Lines of a table of constants that are kept.
HEAD = 24
COMMAND = "hwqat export zoo:digitnet-int8 --dsp 128"


@pytest.fixture(scope="module")
def project():
    """Relative path -> text of BUILD/hls, BUILD/vivado and some of BUILD/rtl, less the library, which is hls/ itself."""
    graph = to_graph(*restore(zoo.find("zoo:digitnet-int8")))
    plan = make_plan(graph, Target(dsp=128))
    files = {f"hls/{name}": text for name, text in hls.render(plan, COMMAND).items() if not name.startswith("hwqat/")}
    files |= {f"vivado/{n}": text for n, text in board.render(plan, COMMAND).items() if not n.startswith("hwqat_")}
    written = rtl.render(plan)
    files |= {f"rtl/{name}": written[name] for name in RTL}
    kept = {f"digitnet/{name}": shortened(text) if "/constants/" in name else text for name, text in files.items()}
    return kept | resnet20()


def resnet20() -> dict[str, str]:
    """The types of its constants, and the tables of a layer and of a join."""
    plan = make_plan(to_graph(*restore(zoo.find("zoo:resnet20-int8"))), Target(dsp=220), size=lambda network: network)
    files = hls.render(plan, "hwqat export zoo:resnet20-int8 --dsp 220")
    names = ["resnet20_types.h", *(f"constants/{stage}_requant.h" for stage in RESNET20)]
    return {f"resnet20/hls/{name}": files[name] for name in names}


def shortened(text: str) -> str:
    lines = text.splitlines(keepends=True)
    if len(lines) <= HEAD:
        return text
    return (
        "".join(lines[:HEAD]) + f"... {len(lines)} lines in all, sha256 {hashlib.sha256(text.encode()).hexdigest()}\n"
    )


def test_text_is_the_one_that_was_read(project, pytestconfig):
    if pytestconfig.getoption("--regenerate"):
        shutil.rmtree(GOLDEN, ignore_errors=True)
        for name, text in project.items():
            (GOLDEN / name).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / name).write_text(text)
    kept = {str(path.relative_to(GOLDEN)): path.read_text() for path in sorted(GOLDEN.rglob("*")) if path.is_file()}
    said = [f"{name} is new" for name in sorted(project.keys() - kept.keys())]
    said += [f"{name} is gone" for name in sorted(kept.keys() - project.keys())]
    said += [
        difference(name, kept[name], project[name])
        for name in sorted(kept.keys() & project.keys())
        if kept[name] != project[name]
    ]
    if said:
        pytest.fail(
            f"the text of DigitNet's project changed in {len(said)} files; if that is meant, say 'pytest {Path(__file__).name} "
            "--regenerate' and read the diff\n" + "\n".join(said),
            pytrace=False,
        )


def difference(name: str, old: str, new: str, most: int = 12) -> str:
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), f"golden/{name}", name, lineterm="", n=1))
    return "\n".join(lines[:most] + ["..."] * (len(lines) > most))


def test_a_block_is_a_page(project):
    """The function of a block, with all of its streams and calls, is one screen; no line is longer than an editor's."""
    for name, text in project.items():
        lines = text.splitlines()
        assert all(len(line) <= 140 for line in lines), name
        if name.startswith("digitnet/hls/blocks/") and name.endswith(".cpp"):
            function = lines[max(i for i, line in enumerate(lines) if line.startswith("void ")) :]
            assert len(function) <= 80, name
            assert len(lines) <= 24 * sum("HWQAT_STAGE" in line for line in lines), name
