"""Facts that two languages need: each has one home, and the other's text is held to it here."""

import re
from pathlib import Path

import pytest

import hwqat
from hwqat.devices import DEVICES, Packing
from hwqat.fixed import Rounding, folded_half, half
from hwqat.limits import MAX_WORD, SUM_BITS
from hwqat.stages.requant import MODES

LIBRARY = Path(hwqat.__file__).parent / "hls"


def text(name: str) -> str:
    return (LIBRARY / name).read_text()


def one(pattern: str, name: str) -> str:
    found = re.findall(pattern, text(name))
    assert len(set(found)) == 1, (name, pattern, found)
    return found[0]


def test_the_widest_word():
    assert int(one(r"#define AP_INT_MAX_W (\d+)", "dialect.h")) == MAX_WORD


def test_the_sum_inside_requantise():
    """Limits of a clamp are as wide as the sum, in both languages."""
    assert int(one(r"parameter logic signed \[(\d+):0\]\s+Lo\b", "rtl/hwqat_requant.sv")) == SUM_BITS - 1
    assert one(r"constexpr (long long) LO", "requant.h") == "long long"


def test_roundings():
    enumerators = re.split(r"[\s,]+", one(r"enum class rounding \{ (.*?) \}", "rounding.h"))
    assert set(MODES) == set(Rounding) and set(MODES.values()) == set(enumerators)
    said = set(re.findall(r'"(AP_\w+)"', text("rtl/hwqat_round.sv") + text("rtl/hwqat_requant.sv")))
    assert said <= {str(mode) for mode in Rounding}
    shifts = {mode for mode, name in MODES.items() if name == "shift"}
    assert shifts == {mode for mode in Rounding if folded_half(mode, 4)} | {Rounding.TRN}
    assert (half(0), half(-3), half(1), half(5), folded_half(Rounding.RND, 5)) == (0, 0, 1, 16, 16)


@pytest.mark.parametrize("terms", [1, 2, 3, 5, 8, 9, 10, 27, 72])
@pytest.mark.parametrize("at_most", [1, 2, 4, 8])
def test_groups_of_packed_products(terms, at_most):
    groups = Packing(2, 18, at_most).groups(terms)
    assert sum(groups) == terms and max(groups) <= at_most and min(groups) >= 1
    assert len(groups) == -(-terms // at_most) and groups[0] == max(groups) == -(-terms // len(groups))


def test_groups_of_packed_products_in_both_languages():
    """The formulas themselves; `tests/test_packing.py` holds what is computed to int64."""
    squeeze = lambda s: re.sub(r"\s", "", s)  # noqa: E731
    assert squeeze(one(r"GROUPS = (.*?), GROUP =", "packed.h")) == "(N+TERMS-1)/TERMS"
    assert squeeze(one(r"GROUP = (.*?);", "packed.h")) == "(N+GROUPS-1)/GROUPS"
    assert squeeze(one(r"Groups\s*= (.*?);", "rtl/hwqat_dot.sv")) == "(Terms+PackedTerms-1)/PackedTerms"
    assert squeeze(one(r"Group\s+= (.*?);", "rtl/hwqat_dot.sv")) == "(Terms+Groups-1)/Groups"


def test_slots_of_ports():
    """C++ and SystemVerilog take any slot that holds an element; 8, 16 and 32 are what a plan gives."""
    from hwqat.passes.network import SLOTS

    assert SLOTS == (8, 16, 32)
    for name in ("axis.h", "rtl/hwqat_axis_in.sv", "rtl/hwqat_axis_out.sv"):
        assert re.search(r"[Ss]lot", text(name))


def test_multiplier_blocks_of_devices():
    """The defaults of the SystemVerilog are those of the default device."""
    device = DEVICES["xcup"]
    assert int(one(r"parameter int unsigned Wide\s+= (\d+)", "rtl/hwqat_requant.sv")) == device.wide
    assert int(one(r"parameter int unsigned Narrow\s+= (\d+)", "rtl/hwqat_requant.sv")) == device.narrow
