// Maximum: the larger of two elements, Pe at once; input 0 stands in the low bits.
//
//   out[p] = max(in0[p], in1[p])
//
// Latency: 2 cycles. Throughput: one beat a cycle.
// Cuts: valid and data; out_ready_i reaches in_ready_o through one gate, and each in_ready_o waits for the other
// input's valid (never for its own).

module hwqat_maximum #(
  parameter int unsigned Pe       = 1,
  parameter int unsigned Bits     = 8,
  parameter bit          IsSigned = 1'b1
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,

  input  logic [2*Pe*Bits-1:0] in_data_i,
  input  logic [1:0]           in_valid_i,
  output logic [1:0]           in_ready_o,

  output logic [Pe*Bits-1:0]   out_data_o,
  output logic                 out_valid_o,
  input  logic                 out_ready_i
);

  if (Pe < 1 || Bits < 1) begin : g_check
    $error("hwqat_maximum: Pe and Bits must be at least 1");
  end

  logic en, ready, unused_tree_valid, unused_tree_first;
  logic [2*Pe*Bits-1:0] x_q;

  hwqat_pipe #(.Latency(1), .Folds(1)) u_pipe (
    .clk_i, .rst_ni,
    .valid_i(&in_valid_i), .ready_o(ready),
    .en_o(en), .tree_valid_o(unused_tree_valid), .tree_first_o(unused_tree_first),
    .valid_o(out_valid_o), .ready_i(out_ready_i)
  );

  assign in_ready_o = {ready & in_valid_i[0], ready & in_valid_i[1]};

  always_ff @(posedge clk_i) begin
    if (en) x_q <= in_data_i;
  end

  for (genvar p = 0; p < Pe; p++) begin : g_pe
    logic [Bits-1:0] larger;

    hwqat_reduce #(.Bits(Bits), .Signed(IsSigned), .Max(1'b1)) u_reduce (
      .a_i(x_q[p*Bits +: Bits]), .b_i(x_q[(Pe+p)*Bits +: Bits]), .result_o(larger)
    );

    always_ff @(posedge clk_i) begin
      if (en) out_data_o[p*Bits +: Bits] <= larger;
    end
  end

endmodule
