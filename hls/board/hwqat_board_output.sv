// Marks the end of a batch: of a stream with a mark on each frame's last beat, the mark of the batch's last frame.
//
//   last_o   frame_i of the frame number batch_i, counted from the end of the last batch
//   ends_o   the last beat of a frame is taken
//   done_o   that of a batch
//   stall_o  a beat has waited for more than limit_i cycles
//
// batch_i is looked at between batches alone, so that last_o holds while a beat waits; 0 means 1.

module hwqat_board_output (
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic [31:0] batch_i,
  input  logic [31:0] limit_i,

  input  logic        valid_i,
  input  logic        ready_i,
  input  logic        frame_i,

  output logic        last_o,
  output logic        ends_o,
  output logic        done_o,
  output logic        stall_o
);

  logic [31:0] left_q;   // frames of this batch behind the present one
  logic        begun_q;  // a beat of this batch has come
  logic [31:0] waits_q;  // cycles that a beat has waited

  assign ends_o  = valid_i & ready_i & frame_i;
  assign last_o  = frame_i & (left_q == '0);
  assign done_o  = ends_o & last_o;
  assign stall_o = valid_i & ~ready_i & (waits_q >= limit_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      left_q  <= '0;
      begun_q <= 1'b0;
    end else begin
      begun_q <= (begun_q | valid_i) & ~done_o;
      if (done_o | ~(begun_q | valid_i)) begin
        left_q <= (batch_i == '0) ? '0 : batch_i - 1'b1;
      end else if (ends_o) begin
        left_q <= left_q - 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || !valid_i || ready_i) waits_q <= '0;
    else if (!(&waits_q))               waits_q <= waits_q + 1'b1;
  end

endmodule
