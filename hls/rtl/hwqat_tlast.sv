// Marks the last beat of each frame.
//
//   last_o is high with every Beats-th beat
//
// Combinational from a counter of accepted beats.

module hwqat_tlast #(
  parameter int unsigned Beats = 1,
  localparam int unsigned BeatBits = (Beats > 1) ? $clog2(Beats) : 1
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic valid_i,
  input  logic ready_i,
  output logic last_o
);

  logic [BeatBits-1:0] unused_beat;

  hwqat_counter #(.Count(Beats)) u_beat (
    .clk_i, .rst_ni, .step_i(valid_i & ready_i), .count_o(unused_beat), .last_o
  );

endmodule
