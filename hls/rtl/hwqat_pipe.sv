// Control of a stalling pipeline that folds Folds beats into one.
//
//   en_o moves every stage of the data path; it falls only while a result waits for ready_i
//
// Latency: a beat taken in one cycle is at tree_valid_o after Latency cycles of en_o, and its result
// at valid_o one later. tree_first_o marks the first beat of a result.
// Cuts: valid. ready_i reaches ready_o through one gate.

module hwqat_pipe #(
  parameter int unsigned Latency = 1,
  parameter int unsigned Folds   = 1
) (
  input  logic clk_i,
  input  logic rst_ni,

  input  logic valid_i,
  output logic ready_o,

  output logic en_o,
  output logic tree_valid_o,
  output logic tree_first_o,

  output logic valid_o,
  input  logic ready_i
);

  localparam int unsigned FoldBits = (Folds > 1) ? $clog2(Folds) : 1;

  if (Latency < 1) begin : g_check
    $error("hwqat_pipe: Latency must be at least 1");
  end

  logic [Latency-1:0]  valid_q;
  logic [FoldBits-1:0] fold;
  logic                fold_last;
  logic                out_valid_q;

  assign en_o         = ~out_valid_q | ready_i;
  assign ready_o      = en_o;
  assign valid_o      = out_valid_q;
  assign tree_valid_o = valid_q[Latency-1];
  assign tree_first_o = fold == '0;

  // Beats are counted where they leave the tree: nothing but valid has to travel with them.
  hwqat_counter #(.Count(Folds)) u_fold (
    .clk_i, .rst_ni, .step_i(en_o & tree_valid_o), .count_o(fold), .last_o(fold_last)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q     <= '0;
      out_valid_q <= 1'b0;
    end else if (en_o) begin
      valid_q     <= Latency'({valid_q, valid_i});
      out_valid_q <= tree_valid_o & fold_last;
    end
  end

endmodule
