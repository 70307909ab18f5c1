"""The C++ library, header by header: known answers, text that stands alone, and words where a shape is wrong."""

import re
import subprocess
from pathlib import Path

import pytest

from hwqat.backends.library import LIBRARY
from hwqat.sim.generated import gxx
from hwqat.tools import compiler

HERE = Path(__file__).parent / "headers"
COMMAND = ["-isystem", str(gxx.headers()), f"-I{LIBRARY}", "-fsyntax-only", *gxx.FLAGS]
#: Of a test bench, not of a block; for one compiler's schedule; what others include.
WITHOUT_ANSWERS = {"bounded.h", "testbench.h", "window.h", "window_rows.h"}
#: Said only where constants are ap_fixed.
WITH_FIXED_POINT = ["the bias must have the binary point of the sum"]


def syntax(source: Path) -> str:
    """What the compiler says of a source."""
    return subprocess.run([compiler("a test"), *COMMAND, str(source)], capture_output=True, text=True).stderr


@pytest.mark.parametrize(
    "flags", [(), pytest.param(("-DHWQAT_AP_ARITHMETIC",), marks=pytest.mark.slow)], ids=["native", "ap"]
)
def test_known_answers(flags, tmp_path):
    """Worked out by hand, in native arithmetic and in that of the hardware."""
    program = gxx.build([HERE / "known.cpp"], (LIBRARY,), speed="quick", flags=flags, cache=tmp_path)
    done = subprocess.run([program], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("right\n", 0)


def test_each_header_is_tried():
    """By itself or through one that includes it; windows have their own tests, by their geometry."""
    tried, waiting = set(), re.findall(r'#include "(\w+\.h)"', (HERE / "known.cpp").read_text())
    while waiting:
        name = waiting.pop()
        if name not in tried:
            tried.add(name)
            waiting += re.findall(r'#include "(\w+\.h)"', (LIBRARY / name).read_text())
    assert {path.name for path in LIBRARY.glob("*.h")} - tried <= WITHOUT_ANSWERS


@pytest.fixture(scope="module")
def said() -> str:
    return syntax(HERE / "wrong.cpp")


WORDS = re.findall(r"// says: (.*)\n", (HERE / "wrong.cpp").read_text())


@pytest.mark.parametrize("number", range(len(WORDS)), ids=[words[:40] for words in WORDS])
def test_the_compiler_says_what_is_wrong_with_a_shape(number, said):
    assert said.count(WORDS[number]) >= WORDS[: number + 1].count(WORDS[number])


def test_each_word_of_the_library_is_tried():
    found = set()
    for path in LIBRARY.glob("*.h"):
        found |= set(re.findall(r'static_assert\([^;]*?"([^"]*)"', path.read_text()))
    assert sorted(found - set(WORDS)) == WITH_FIXED_POINT


@pytest.mark.slow
@pytest.mark.parametrize("header", sorted(path.name for path in LIBRARY.glob("*.h")))
def test_a_header_stands_alone(header, tmp_path):
    source = tmp_path / "alone.cpp"
    source.write_text(f'#include "{header}"\n#include "{header}"\nint main() {{}}\n')
    assert syntax(source) == ""
