"""Packed products equal plain ones: every operand, in C++ and in SystemVerilog, as the plan packs them.

The sums of `terms` equal products are checked along with them: they reach the ends of every field.
"""

import json
import subprocess

import pytest
from networks import Net

from hwqat.backends import hls, rtl
from hwqat.devices import DEVICES, Packing
from hwqat.ops import Folding, Output
from hwqat.passes import make_plan
from hwqat.passes.report import plan_json
from hwqat.sim.generated import gxx, verilator
from hwqat.synth import run_synth, synth_table

#: (bits of x, signed, bits of a weight, outputs that share x) and what the wide operand of a DSP48E2 holds.
PACKED = {
    (8, True, 8, 2): Packing(2, 18, 4),
    (8, False, 8, 2): Packing(2, 18, 4),
    (4, False, 4, 3): Packing(3, 11, 8),
    (4, True, 5, 3): Packing(3, 10, 2),
    (5, True, 5, 3): Packing(3, 10, 1),
    (5, False, 4, 3): Packing(3, 11, 4),
    (7, True, 7, 2): Packing(2, 19, 32),
}
PLAIN = [(10, True, 10, 2), (16, False, 8, 2), (8, True, 8, 1), (1, False, 8, 1)]


@pytest.mark.parametrize("operands, packing", PACKED.items())
def test_what_one_multiplier_holds(operands, packing):
    *x, weight, outputs = operands
    assert DEVICES["xcup"].packing(outputs, *x, weight) == packing
    assert packing.pitch * (packing.count - 1) + weight + 1 <= DEVICES["xcup"].wide  # and a borrow
    for device in ("xc7", "ecp5-85k"):
        assert DEVICES[device].packing(outputs, *x, weight) == Packing()


def test_what_is_not_packed():
    device = DEVICES["xcup"]
    assert [device.packing(n, x, signed, w) for x, signed, w, n in PLAIN] == [Packing()] * len(PLAIN)
    assert device.packing(8, 4, True, 4) == device.packing(8, 8, True, 1) == Packing(in_luts=True)
    assert device.packing(5, 8, True, 8).count == 2  # the fifth stands alone


CPP = """
#include "packed.h"
#include <cstdio>

/// x and COUNT weights are the digits of a number: every number is tried, TERMS times the same product.
template <int X_BITS, bool SIGNED, int W_BITS, int COUNT, int PITCH, int TERMS> void check()
{
    constexpr int N = TERMS + 1; // one more than is added packed: two groups
    long long differences = 0, tried = 0;
    hwqat::element_t<X_BITS, SIGNED> x[N];
    hwqat::weight_rom<W_BITS> w[COUNT][N];
    for (unsigned long long all = 0; all < 1ULL << (X_BITS + COUNT * W_BITS); ++all, ++tried) {
        const long long shared = hwqat::element<X_BITS, SIGNED>::of(all);
        long long other[COUNT];
        for (int k = 0; k < COUNT; ++k) {
            other[k] = hwqat::element<W_BITS, true>::of(all >> (X_BITS + k * W_BITS));
        }
        for (int i = 0; i < N; ++i) {
            x[i] = shared;
            for (int k = 0; k < COUNT; ++k) {
                w[k][i] = other[k];
            }
        }
        hwqat::sum_t<32> sum[COUNT];
        hwqat::packed<COUNT, PITCH, TERMS>::template dot<W_BITS, 32>(x, w, sum);
        for (int k = 0; k < COUNT; ++k) {
            differences += (long long)hwqat::wrap<32>(sum[k]) != N * shared * other[k];
        }
    }
    std::printf("%d %d %d %d: %lld tried, %lld differ\\n", X_BITS, SIGNED, W_BITS, COUNT, tried, differences);
}

int main()
{
CALLS
}
"""


def test_cpp_equals_the_plain_product_for_all_operands(tmp_path):
    for name, text in hls.library_files().items():
        (tmp_path / name).write_text(text)
    calls = [
        f"    check<{x}, {str(s).lower()}, {w}, {p.count}, {p.pitch}, {p.terms}>();"
        for (x, s, w, _), p in PACKED.items()
    ]
    (tmp_path / "all.cpp").write_text(CPP.replace("CALLS", "\n".join(calls)))
    program = gxx.build([tmp_path / "all.cpp"], flags=("-Werror",), cache=tmp_path)
    said = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == [
        f"{x} {s:d} {w} {p.count}: {1 << (x + p.count * w)} tried, 0 differ" for (x, s, w, _), p in PACKED.items()
    ]


SV = """
/// Counts through all operands; the sum of Terms + 1 equal products must be that of plain ones.
module check #(
  parameter int unsigned XBits = 8,
  parameter bit          Signed = 1'b1,
  parameter int unsigned WBits = 8,
  parameter int unsigned Count = 2,
  parameter int unsigned Pitch = 18,
  parameter int unsigned Terms = 1
) (
  input  logic        clk_i,
  input  logic [23:0] number_i,
  output logic        wrong_o
);
  localparam int unsigned N = Terms + 1;
  localparam int unsigned Latency = 3 + $clog2(N);

  logic [XBits-1:0]       x;
  logic [Count*N*WBits-1:0] w;
  logic [Count*32-1:0]    want, got;
  logic [Latency-1:0][Count*32-1:0] want_q;

  assign x = number_i[XBits-1:0];
  for (genvar k = 0; k < Count; k++) begin : g_weight
    logic [WBits-1:0] one;
    assign one = number_i[XBits+k*WBits +: WBits];
    assign w[k*N*WBits +: N*WBits] = {N{one}};
    assign want[k*32 +: 32] = 32'(N) * 32'($signed({Signed & x[XBits-1], x})) * 32'($signed(one));
  end

  hwqat_dot #(
    .Outputs(Count), .Terms(N), .InBits(XBits), .InSigned(Signed), .WeightBits(WBits), .AccBits(32), .Pitch(Pitch), .PackedTerms(Terms)
  ) u_dot (
    .clk_i, .en_i(1'b1), .x_i({N{x}}), .w_i(w), .valid_i(1'b1), .first_i(1'b1), .acc_o(got)
  );

  always_ff @(posedge clk_i) want_q <= {want_q[Latency-2:0], want};
  assign wrong_o = got != want_q[Latency-1];
endmodule
"""
CPP_BENCH = """
#include "Vtop.h"
#include "verilated.h"
#include <cstdio>

int main()
{
    static long long wrong[SIZE];
    Vtop top;
    for (long i = 0; i < (1L << 24) + 64; ++i) {
        top.number = i & 0xffffff;
        top.clk = 0, top.eval();
        top.clk = 1, top.eval();
        for (int k = 0; k < SIZE && i >= 64; ++k) {
            wrong[k] += top.wrong >> k & 1;
        }
    }
    for (long long n : wrong) {
        std::printf("%lld\\n", n);
    }
}
"""


def test_rtl_equals_the_plain_product_for_all_operands(tmp_path):
    checks = [
        f"  check #(.XBits({x}), .Signed(1'b{s:d}), .WBits({w}), .Count({p.count}), .Pitch({p.pitch}), .Terms({p.terms})) "
        f"u_{i} (.clk_i(clk), .number_i(number), .wrong_o(wrong[{i}]));"
        for i, ((x, s, w, _), p) in enumerate(RTL_CASES.items())
    ]
    top = f"module top (input logic clk, input logic [23:0] number, output logic [{len(checks) - 1}:0] wrong);\n"
    (tmp_path / "top.sv").write_text(SV + top + "\n".join(checks) + "\nendmodule\n")
    (tmp_path / "main.cpp").write_text(CPP_BENCH.replace("SIZE", str(len(checks))))
    library = {
        name: text
        for name, text in rtl.library_files().items()
        if name in ("hwqat_dot.sv", "hwqat_packed.sv", "hwqat_tree.sv")
    }
    for name, text in library.items():
        (tmp_path / name).write_text(text)
    command = [
        verilator.program(),
        "--cc",
        "--exe",
        "--build",
        "-O3",
        "-CFLAGS",
        "-O2",
        "--prefix",
        "Vtop",
        "--top-module",
        "top",
        "-Wno-fatal",
        "-Mdir",
        "out",
        "top.sv",
        *library,
        "main.cpp",
    ]
    subprocess.run(command, cwd=tmp_path, env=verilator.environment(), capture_output=True, text=True, check=True)
    said = subprocess.run([str(tmp_path / "out" / "Vtop")], capture_output=True, text=True, check=True).stdout.split()
    assert said == ["0"] * len(checks)


#: Those whose operands 24 bits count through; 64 terms more would be simulated than needed for the others.
RTL_CASES = {key: p for key, p in PACKED.items() if key[0] + key[2] * p.count <= 24 and p.terms <= 8}


def stages():
    """A plan with units of every packing, an odd number of outputs, many words, a depthwise unit, and joins at once and in turn."""
    net, foldings = Net(8), {}

    def fold(node, *parallel):
        foldings[node.name] = Folding(*parallel)
        return node

    x = net.input(4, 4, 16)
    y = fold(net.requant(fold(net.conv(x, 16, 3), 8, 1, 9), relu=True), 1, 1)
    odd = fold(net.conv(y, 10), 5, 2)
    deep = fold(net.conv(y, 16, 3, groups=16), 1, 1, 9)
    many = fold(net.conv(y, 16, 3), 2, 1, 9)  # 128 words
    back = fold(net.requant(fold(net.conv(y, 16), 4, 2)), 1, 1)
    joins = [fold(net.requant(deep, back), 1, 1, 1, inputs) for inputs in (1, 2)]
    net.bits = 4
    four = fold(net.conv(fold(net.requant(y, relu=True), 1, 1), 16), 8, 2)
    low = fold(net.conv(fold(net.requant(y), 1, 1), 16), 4, 4)
    ends = [fold(net.requant(node, bits=8), 1, 1) for node in (odd, many, four, low)]
    for i, node in enumerate([*joins, *ends]):
        net.add(Output.make(f"y{i}", node.out))
    graph = net.finish("stages")
    return make_plan(graph, foldings={node.name: Folding() for node in graph.nodes} | foldings)


@pytest.mark.slow
def test_yosys_counts_the_multipliers_of_the_plan_and_about_its_luts(tmp_path):
    plan = stages()
    files = {f"rtl/{name}": text for name, text in (rtl.library_files() | rtl.render(plan)).items()}
    for name, text in (files | {"report/plan.json": json.dumps(plan_json(plan))}).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    result = run_synth(tmp_path, "xcup")
    rows = {row.name: row for row in result.rows}
    assert [rows[f"conv{i}_{kind}"].counted.dsp for i, kind in ((0, "mvu"), (2, "mvu"), (3, "dwu"), (4, "mvu"))] == [
        36,
        6,
        9,
        9,
    ]
    for row in result.rows:
        if row.kind in ("mvu", "dwu", "requant"):
            assert row.counted.dsp == row.planned.dsp, synth_table(result)
            for count, estimate in ((row.counted.lut, row.planned.lut), (row.counted.ff, row.planned.ff)):
                assert abs(estimate - count) <= 0.15 * count + 25, synth_table(result)
