// hwqat_tlast: exactly every Beats-th beat is marked, and the mark holds while the beat waits.

module tlast_marks #(
  parameter int Beats = 3
) (
  input logic clk_i,
  input logic valid_i,
  input logic ready_i
);

  localparam int BeatBits = (Beats > 1) ? $clog2(Beats) : 1;

  logic rst_n = 1'b0;
  logic last;

  always_ff @(posedge clk_i) rst_n <= 1'b1;

  hwqat_tlast #(.Beats(Beats)) dut (.clk_i, .rst_ni(rst_n), .valid_i, .ready_i, .last_o(last));

  (* hierconn *) logic [BeatBits-1:0] \dut.unused_beat ;

  logic [7:0] beat_q = '0;
  logic       waits_q = 1'b0, last_q;

  always_ff @(posedge clk_i) begin
    if (!rst_n) beat_q <= '0;
    else if (valid_i && ready_i) beat_q <= (beat_q == Beats - 1) ? '0 : beat_q + 1;
    waits_q <= rst_n & valid_i & ~ready_i;
    last_q  <= last;
  end

  always @(posedge clk_i) begin
    if (rst_n) begin
      in_step: assert (beat_q < Beats && (Beats == 1 || 8'(\dut.unused_beat ) == beat_q));
      marks:   assert (last == (beat_q == Beats - 1));
      if (waits_q) held: assert (last == last_q);
      next:    cover (valid_i && ready_i && last && waits_q);
    end
  end

endmodule
