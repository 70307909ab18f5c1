"""What the hardware library says of parameters that it cannot be built with: in words, when it is elaborated or compiled."""

import re
import subprocess
from pathlib import Path

import pytest

from hwqat.backends import rtl
from hwqat.devices import DEVICES
from hwqat.sim.generated import verilator

RTL = Path(rtl.__file__).parents[1] / "hls" / "rtl"

#: Module, the parameters of an instance, and what is said of it.
WRONG = [
    ("axis_in", "Lanes(2), .Bits(9), .Slot(8), .Tdata(16)", "an element must fit its slot"),
    ("axis_out", "Lanes(4), .Bits(8), .Slot(8), .Tdata(16)", "an element must fit its slot"),
    ("concat", "Inputs(1)", "Inputs must be at least 2"),
    ("counter", "Count(0)", "Count must be at least 1"),
    ("dot", "PackedTerms(3)", "PackedTerms must be a power of two"),
    ("dwu", "Folds(0)", "Groups, Folds, Pe and Taps must be at least 1"),
    ("dwu", "WeightBits(17)", "WeightBits must be 1..16"),
    ("fifo", "Depth(1)", "Depth must be at least 2"),
    ("fork", "Outputs(1)", "Outputs must be at least 2"),
    ("fork", "Width(0)", "Width must be at least 1"),
    ("global_pool", "Groups(0)", "Pixels, Groups and Pe must be at least 1"),
    ("mvu", "Folds(0)", "Groups, Repeats, Folds, Pe and Simd must be at least 1"),
    ("mvu", "WeightBits(17)", "WeightBits must be 1..16"),
    ("packed", "Outputs(2), .Pitch(15)", "Pitch must be wide enough for the sum of Terms products"),
    ("packed", "Outputs(2), .Pitch(18), .Terms(8), .InSigned(1'b0)", "Pitch must be wide enough"),
    ("pad", "Kept(0)", "Rows, Columns, Kept, Groups, Pe and Bits must be at least 1"),
    ("pipe", "Latency(0)", "Latency must be at least 1"),
    ("pool", "Folds(0)", "Folds, Pe and Taps must be at least 1"),
    ("requant", "Inputs(3)", "Inputs must be 1 or 2"),
    ("requant", "Shared(1'b1)", "Shared needs two inputs"),
    ("round", 'Mode("AP_UP"), .Frac(4)', "Mode must be a quantisation mode of ap_fixed"),
    ("select", "InBeats(2)", "Trips must be at least InBeats and OutBeats"),
    ("table", "Groups(3), .Tables(2)", "Tables must be 1 or Groups"),
    ("tree", "Terms(0)", "Terms must be at least 1"),
    ("width", "LanesIn(2), .LanesOut(3)", "one of LanesIn and LanesOut must divide the other"),
    ("window_parallel", "Rows(3)", "Rows and Columns must be powers of two"),
    ("window_rows", "Columns(3)", "Columns must be a power of two"),
    ("window_scan", "PadTop(3)", "padding must be less than the window's span"),
    ("window_scan", "Rows(1)", "Rows must hold at least the window's span"),
]


def test_each_word_of_the_systemverilog_is_tried():
    said = set()
    for path in RTL.glob("*.sv"):
        said |= {
            (path.stem.removeprefix("hwqat_"), words)
            for words in re.findall(r'\$error\("\w+: ([^"]*)"', path.read_text())
        }
    untried = [
        (m, words) for m, words in said if not any(m == module and words.startswith(w) for module, _, w in WRONG)
    ]
    assert not sorted(untried)


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> str:
    """Of a module that has all of the wrong instances, elaborated once."""
    wrong = tmp_path_factory.mktemp("wrong") / "top.sv"
    instances = [f"  hwqat_{module} #(.{parameters}) u_{i} ();" for i, (module, parameters, _) in enumerate(WRONG)]
    wrong.write_text("\n".join(["module top;", *instances, "endmodule", ""]))
    options = ["--lint-only", "-Wno-lint", "-Wno-style", "-y", str(RTL), "--top-module", "top"]
    command = [verilator.program(), *options, str(wrong)]
    done = subprocess.run(command, capture_output=True, text=True, env=verilator.environment())
    assert done.returncode
    return done.stderr


@pytest.mark.parametrize("module, parameters, words", WRONG)
def test_systemverilog_says_what_is_wrong(module, parameters, words, said):
    assert f"hwqat_{module}: {words}" in said


def test_what_packing_promises_passes_its_own_check():
    """Every packing of every device keeps to the rule that the SystemVerilog holds it to."""
    for device in DEVICES.values():
        for x_bits in range(2, 17):
            for signed in (False, True):
                for weight_bits in range(2, 17):
                    packing = device.packing(8, x_bits, signed, weight_bits)
                    largest = (1 << (x_bits - 1) if signed else (1 << x_bits) - 1) << (weight_bits - 1)
                    assert packing.count == 1 or packing.terms * largest <= (1 << (packing.pitch - 1)) - 1
