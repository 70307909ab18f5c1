"""The C++ library as text: what Vitis HLS's documents ask of loops, pragmas and memories."""

import re
from itertools import product

import pytest

from hwqat.backends import hls

LIBRARY = {name: text for name, text in hls.library_files().items() if name not in ("testbench.h", "trips.h")}
#: What may stand between a function's head and its loop: declarations that make nothing, and pragmas.
NOTHING = re.compile(
    r"""\s*(?:
        static_assert\b.* | constexpr\ .* | using\ .* | \#pragma\ HLS\ .* | HWQAT_READ_AFTER_WRITE\(.*\)
      | (?:static\ |typename\ )?(?:[\w:]+<.*>(?:::\w+)?|word|y_t|x_t)\ \w+(?:,\ \w+)*(?:\[[^=]*\])*;   # a variable without a value
    )\s*$""",
    re.VERBOSE,
)


def functions():
    """(header, name, body) of every function that has a pipelined loop."""
    for header, text in LIBRARY.items():
        plain = re.sub(r"//[^\n]*", "", text)
        for found in re.finditer(
            r"^HWQAT_INLINE void (\w+)\([^{;]*\)\s*\{\n(.*?)\n\}\n", plain, re.DOTALL | re.MULTILINE
        ):
            if "HWQAT_PIPELINE" in found[2]:
                yield header, found[1], found[2]


def statements(text: str) -> list[str]:
    """Statements and pragmas, each on one line."""
    joined = re.sub(r"\n\s+(?=[^\s#])(?<=,|\()", " ", text)
    lines, waiting = [], ""
    for line in joined.splitlines():
        waiting = f"{waiting} {line.strip()}".strip()
        if line.lstrip().startswith("#") or (
            waiting.endswith((";", ":", "{", "}", ")")) and waiting.count("(") == waiting.count(")")
        ):
            lines.append(waiting)
            waiting = ""
    return [line for line in lines if line]


def test_the_library_has_the_loops_that_are_looked_at():
    names = {name for _, name, _ in functions()}
    assert names == {
        *("from_axis", "to_axis", "mvu", "dwu", "pool", "global_pool", "requant", "requant_shared"),
        *("widen", "narrow", "fork", "window_serial", "window_rows", "window_parallel"),
        *("select", "crop", "pad", "reorder", "multiply", "table"),
    }


@pytest.mark.parametrize("header, name, body", [pytest.param(*f, id=f[1]) for f in functions()])
def test_a_stage_is_one_perfect_nest_of_loops_with_nothing_in_front(header, name, body):
    """UG1399 rewinds such loops from one frame to the next; code in front of them forbids it (UG1448 200-959)."""
    lines = statements(body)
    first = next(i for i, line in enumerate(lines) if re.fullmatch(r"\w+:", line))
    assert not [line for line in lines[:first] if not NOTHING.match(line)]
    inner = lines.index("HWQAT_PIPELINE HWQAT_TRIP();") if "HWQAT_PIPELINE HWQAT_TRIP();" in lines else None
    nest = lines[
        first : inner if inner is not None else next(i for i, x in enumerate(lines) if x.startswith("HWQAT_PIPELINE"))
    ]
    assert all(re.fullmatch(r"\w+:|for \(int \w+ = 0; \w+ < [\w: /*]+; \+\+\w+\) \{", line) for line in nest), nest
    depth = sum(line.startswith("for ") for line in nest)
    assert lines[-depth:] == ["}"] * depth, "nothing stands behind an inner loop"


def test_only_the_body_of_a_loop_or_a_variable_has_a_pragma():
    """The templates are inlined: Vitis ignores pragmas of a function that is."""
    for header, text in LIBRARY.items():
        kinds = set(re.findall(r"#pragma HLS (\w+)", text))
        assert kinds <= {"ARRAY_PARTITION"}, header
        for line in re.findall(r"#pragma HLS ARRAY_PARTITION (.*)", text):
            assert re.fullmatch(r"variable=\w+ complete(?: dim=\d)?", line), header


def test_a_product_is_bound_where_it_initialises_a_variable():
    """BIND_OP finds the operation in the initialiser of its variable (UG1399), not in a call or a later assignment."""
    found = []
    for header, text in LIBRARY.items():
        lines = [line.strip() for line in text.splitlines()]
        for before, line in zip(lines, lines[1:]):
            if bound := re.fullmatch(r"HWQAT_BIND_PRODUCT\((\w+), (dsp|fabric)\)", line):
                assert re.fullmatch(rf"const auto {bound[1]} = [\w<>, ]*\(?a\)? \* [\w<>, ]*\(?b\)?;", before), before
                found.append((header, bound[2]))
    assert sorted(found) == [("packed.h", unit) for unit in ("dsp", "dsp", "fabric", "fabric")]


def test_no_member_of_the_vendor_s_types_is_used_that_is_not_documented():
    for header, text in hls.library_files().items():
        assert not re.search(r"\.V\b|get_pVal|set_pVal|get_VAL|\b_AP_", text), header


def apart(stores, loads) -> int:
    """The least trips between a store and a load of the same element behind it, before the next store."""
    last, least = {}, []
    for trip, (stored, loaded) in enumerate(zip(stores, loads)):
        if loaded in last:
            least.append(trip - last[loaded])
        if stored is not None:
            last[stored] = trip
    return min(least, default=None)


def test_read_after_write_distances_are_true():
    """What HWQAT_READ_AFTER_WRITE says of the two memories beside the line buffer, over the loops as they stand."""
    said = {name: re.findall(r"HWQAT_READ_AFTER_WRITE\((\w+), (\w+)\)", text) for name, text in LIBRARY.items()}
    assert said["mvu.h"] == [("held", "FOLDS")] and said["global_pool.h"] == [("kept", "GROUPS")]
    for pixels, groups in product((2, 3), (1, 2, 5)):
        trips = [group for _ in range(pixels) for group in range(groups)]
        assert apart(trips, trips) == groups
    for pixels, groups, repeats, folds in product((1, 2), (1, 2), (1, 2, 3), (1, 2, 5)):
        trips = [(r, f) for _ in range(pixels * groups) for r in range(repeats) for f in range(folds)]
        found = apart([f if r == 0 else None for r, f in trips], [f if r else None for r, f in trips])
        assert found == (folds if repeats > 1 else None)
