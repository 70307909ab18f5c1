// Watches a stream of frames on its way in: counts whole frames, and sees a TLAST that comes too early.
//
//   begins_o  the first beat of a frame is taken
//   ends_o    its last beat is taken
//   cut_o     a beat with TLAST is taken that ends no frame: what is missing of it shifts all that comes after
//
// Combinational from a counter of beats.

module hwqat_board_input #(
  parameter int unsigned Beats = 1,
  localparam int unsigned BeatBits = (Beats > 1) ? $clog2(Beats) : 1
) (
  input  logic clk_i,
  input  logic rst_ni,

  input  logic valid_i,
  input  logic ready_i,
  input  logic last_i,

  output logic begins_o,
  output logic ends_o,
  output logic cut_o
);

  logic [BeatBits-1:0] beat;
  logic                taken, final_beat;

  assign taken    = valid_i & ready_i;
  assign begins_o = taken & (beat == '0);
  assign ends_o   = taken & final_beat;
  assign cut_o    = taken & last_i & ~final_beat;

  hwqat_counter #(.Count(Beats)) u_beat (
    .clk_i, .rst_ni, .step_i(taken), .count_o(beat), .last_o(final_beat)
  );

endmodule
