"""Proofs of the stream cells in hls/rtl by k-induction: tests/formal holds the properties, one file a cell.

Every cell is proved for several parameters, its covers show that the interesting states are reached, and
for every cell there is a plausible mistake that a proof must find.
"""

import pytest
from prover import combinational_paths, programs, prove

needs_sby = pytest.mark.skipif(programs() is None, reason="needs sby and z3: pip install 'hwqat[synth]'")

PIPES = ((1, 1), (3, 1), (3, 2), (2, 3))
CELLS = {
    "fifo_registers": ("fifo", "fifo_registers", {}),
    **{f"fifo_memory_{depth}": ("fifo", "fifo_memory", {"Depth": depth}) for depth in (3, 4, 5)},
    **{f"width_split_{parts}": ("width", "width_split", {"Parts": parts}) for parts in (2, 3)},
    **{f"width_gather_{parts}": ("width", "width_gather", {"Parts": parts}) for parts in (2, 3)},
    **{f"fork_{outputs}": ("fork", "fork_eager", {"Outputs": outputs}) for outputs in (2, 3)},
    "concat": ("concat", "concat_turns", {}),
    **{f"replay_{f}_{r}": ("replay", "replay_groups", {"Folds": f, "Repeats": r}) for f, r in ((1, 2), (2, 3), (3, 2))},
    **{f"pipe_{n}_{f}": ("pipe", "pipe_control", {"Latency": n, "Folds": f}) for n, f in PIPES},
    **{f"join_{shared}": ("join", "join_pairs", {"Shared": shared}) for shared in (0, 1)},
    "join_after_fork": ("join", "join_residual", {}),
    **{f"tlast_{beats}": ("tlast", "tlast_marks", {"Beats": beats}) for beats in (1, 3)},
    **{f"slots_{signed}": ("slots", "slots", {"Signed": signed}) for signed in (0, 1)},
}

#: Cell of CELLS, file, text, what it becomes: a mistake somebody could make.
MISTAKES = {
    "fifo forgets to stall": ("fifo_registers", "hwqat_fifo.sv", "load    = ready_i | ~valid_q;", "load    = 1'b1;"),
    "fifo overflows": ("fifo_memory_4", "hwqat_fifo.sv", "ready_o = used_q != UseBits'(Words);", "ready_o = 1'b1;"),
    "fifo wraps late": ("fifo_memory_4", "hwqat_fifo.sv", "(read_q  == LastAddr) ? '0 :", "(&read_q) ? '0 :"),
    "fork forgets who has it": (
        "fork_3",
        "hwqat_fork.sv",
        "done_q | (out_valid_o & out_ready_i);",
        "out_valid_o & out_ready_i;",
    ),
    "fork waits for all": (
        "fork_2",
        "hwqat_fork.sv",
        "in_ready_o  = &(done_q | out_ready_i);",
        "in_ready_o  = &out_ready_i;",
    ),
    "split drops a part": ("width_split_3", "hwqat_width.sv", "(out_ready_i & (left_q ==", "((left_q =="),
    "gather counts wrong": ("width_gather_3", "hwqat_width.sv", "have_q <= HaveBits'(push);", "have_q <= '0;"),
    "concat takes from all": (
        "concat",
        "hwqat_concat.sv",
        "= turn_q & {Inputs{out_ready_i}};",
        "= {Inputs{out_ready_i}};",
    ),
    "concat turns early": ("concat", "hwqat_concat.sv", "left_q == '0", "left_q <= CountBits'(1)"),
    "replay reads too soon": ("replay_2_3", "hwqat_replay.sv", "(read_fold < write_fold)", "(read_fold <= write_fold)"),
    "replay never frees": ("replay_3_2", "hwqat_replay.sv", "[read_half_q] <= 1'b0;", "[read_half_q] <= 1'b1;"),
    "pipe forgets to stall": ("pipe_3_1", "hwqat_pipe.sv", "en_o         = ~out_valid_q | ready_i;", "en_o = 1'b1;"),
    "pipe ends early": ("pipe_3_2", "hwqat_pipe.sv", "tree_valid_o & fold_last;", "tree_valid_o;"),
    "join takes one": ("join_0", "hwqat_requant.sv", "ready & in_valid_i[0], ready & in_valid_i[1]", "ready, ready"),
    "join loses its turn": ("join_1", "hwqat_requant.sv", ".step_i(take), .count", ".step_i(valid), .count"),
    "branches drift apart": (
        "join_after_fork",
        "hwqat_fork.sv",
        "done_q | (out_valid_o & out_ready_i);",
        "out_valid_o & out_ready_i;",
    ),
    "tlast counts offers": ("tlast_3", "hwqat_tlast.sv", "valid_i & ready_i", "valid_i | ready_i"),
    "resize extends by sign": ("slots_0", "hwqat_resize.sv", "Signed & data_i", "data_i"),
}


@needs_sby
@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_cell_keeps_its_rules(cell, tmp_path):
    name, top, parameters = CELLS[cell]
    verdict = prove(tmp_path / "prove", name, top, "prove", 5, **parameters)
    assert verdict.status == "PASS", verdict.failed or verdict.log
    verdict = prove(tmp_path / "cover", name, top, "cover", 16, **parameters)
    assert verdict.status == "PASS", verdict.failed or verdict.log


@needs_sby
@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_found(mistake, tmp_path):
    cell, file, old, new = MISTAKES[mistake]
    name, top, parameters = CELLS[cell]

    def edit(at, text):
        assert at != file or text.count(old) == 1
        return text.replace(old, new) if at == file else text

    verdict = prove(tmp_path, name, top, "bmc", 12, edit, **parameters)
    assert verdict.status == "FAIL" and verdict.failed, verdict.log


#: Block and parameters, an output, inputs that it must not depend on in the same cycle.
CUTS = [
    ("hwqat_fifo", {"Depth": 2}, "ready_o", ("valid_i", "ready_i")),
    ("hwqat_fifo", {"Depth": 5}, "ready_o", ("valid_i", "ready_i")),
    ("hwqat_fifo", {"Depth": 5}, "valid_o data_o", ("valid_i", "ready_i", "data_i")),
    ("hwqat_replay", {"Folds": 3, "Repeats": 2}, "ready_o", ("valid_i", "ready_i")),
    ("hwqat_replay", {"Folds": 3, "Repeats": 2}, "valid_o data_o", ("valid_i", "ready_i", "data_i")),
    ("hwqat_pipe", {"Latency": 2, "Folds": 3}, "ready_o", ("valid_i",)),
    ("hwqat_pipe", {"Latency": 2, "Folds": 3}, "valid_o", ("valid_i", "ready_i")),
    ("hwqat_width", {"LanesIn": 4, "LanesOut": 2}, "in_ready_o", ("in_valid_i",)),
    ("hwqat_width", {"LanesIn": 2, "LanesOut": 4}, "in_ready_o", ("in_valid_i",)),
    (
        "hwqat_width",
        {"LanesIn": 2, "LanesOut": 4},
        "out_valid_o out_data_o",
        ("in_valid_i", "out_ready_i", "in_data_i"),
    ),
    ("hwqat_fork", {"Outputs": 3}, "in_ready_o", ("in_valid_i",)),
    ("hwqat_fork", {"Outputs": 3}, "out_valid_o", ("out_ready_i",)),
    ("hwqat_concat", {}, "in_ready_o", ("in_valid_i",)),
    ("hwqat_concat", {}, "out_valid_o", ("out_ready_i",)),
    ("hwqat_mvu", {"Folds": 2, "Pe": 2, "Simd": 2}, "in_ready_o", ("in_valid_i",)),
    ("hwqat_mvu", {"Pe": 2, "Simd": 2}, "out_valid_o out_data_o", ("in_valid_i", "in_data_i", "out_ready_i")),
    ("hwqat_dwu", {"Folds": 3, "Pe": 2, "Taps": 3}, "in_ready_o", ("in_valid_i",)),
    ("hwqat_pool", {"Folds": 2, "Taps": 2}, "in_ready_o", ("in_valid_i",)),
    ("hwqat_global_pool", {"Pixels": 4, "Groups": 2}, "in_ready_o", ("in_valid_i",)),
    ("hwqat_window_serial", {}, "in_ready_o", ("in_valid_i", "out_ready_i")),
    ("hwqat_window_parallel", {}, "in_ready_o", ("in_valid_i", "out_ready_i")),
    ("hwqat_window_parallel", {}, "out_valid_o out_data_o", ("in_valid_i", "in_data_i", "out_ready_i")),
    ("hwqat_requant", {}, "in_ready_o", ("in_valid_i",)),
    ("hwqat_requant", {"Inputs": 2, "In1Bits": 8}, "in_ready_o[0]", ("in_valid_i[0]",)),
    ("hwqat_requant", {"Inputs": 2, "In1Bits": 8}, "in_ready_o[1]", ("in_valid_i[1]",)),
    ("hwqat_requant", {"Inputs": 2, "In1Bits": 8, "Shared": 1}, "in_ready_o", ("in_valid_i",)),
    (
        "hwqat_requant",
        {"Inputs": 2, "In1Bits": 8},
        "out_valid_o out_data_o",
        ("in_valid_i", "in_data_i", "out_ready_i"),
    ),
]


def test_ready_does_not_wait_for_valid(tmp_path):
    """Read off the netlist: no path of gates from one to the other; but with two inputs, from the other's valid."""
    there = ("hwqat_requant", {"Inputs": 2, "In1Bits": 8}, "in_ready_o[0]", ("in_valid_i[1]",))
    through = ("hwqat_width", {"LanesIn": 2, "LanesOut": 4}, "in_ready_o", ("out_ready_i",))
    found = combinational_paths(tmp_path, [*CUTS, there, through])
    assert found == [there, through]
