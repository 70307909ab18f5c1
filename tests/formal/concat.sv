// hwqat_concat: Beats[0] beats of input 0, then Beats[1] of input 1, and so on, unchanged; no lock.
//
// The sources keep the rules of a stream: valid and data hold until taken.

module concat_turns #(
  parameter int                   Inputs = 3,
  parameter int                   Width  = 2,
  parameter logic [Inputs*32-1:0] Beats  = {32'd1, 32'd3, 32'd2}
) (
  input logic                    clk_i,
  input logic [Inputs*Width-1:0] data_i,
  input logic [Inputs-1:0]       valid_i,
  input logic                    ready_i
);

  logic              rst_n = 1'b0;
  logic [Inputs-1:0] ready;
  logic              valid;
  logic [Width-1:0]  data;

  always_ff @(posedge clk_i) rst_n <= 1'b1;

  hwqat_concat #(.Width(Width), .Inputs(Inputs), .CountBits(2), .Beats(Beats)) dut (
    .clk_i, .rst_ni(rst_n), .in_data_i(data_i), .in_valid_i(valid_i), .in_ready_o(ready),
    .out_data_o(data), .out_valid_o(valid), .out_ready_i(ready_i)
  );

  (* hierconn *) logic [Inputs-1:0] \dut.turn_q ;
  (* hierconn *) logic [1:0]        \dut.left_q ;

  // Whose turn it is, by counting beats: the equation in the block's header.
  logic [31:0]             turn_q = '0, beat_q = '0;
  logic [Inputs-1:0]       in_waits_q = '0;
  logic                    waits_q = 1'b0;
  logic [Inputs*Width-1:0] data_q;
  logic [Width-1:0]        waiting_q;

  always_ff @(posedge clk_i) begin
    in_waits_q <= rst_n ? valid_i & ~ready : '0;
    waits_q    <= rst_n & valid & ~ready_i;
    data_q     <= data_i;
    waiting_q  <= data;
    if (!rst_n) begin
      turn_q <= '0;
      beat_q <= '0;
    end else if (valid && ready_i) begin
      if (beat_q == Beats[turn_q*32 +: 32] - 1) begin
        beat_q <= '0;
        turn_q <= (turn_q == Inputs - 1) ? '0 : turn_q + 1;
      end else begin
        beat_q <= beat_q + 1;
      end
    end
  end

  logic [Inputs-1:0] kept;
  for (genvar i = 0; i < Inputs; i++) begin : g_source
    assign kept[i] = valid_i[i] & (data_i[i*Width +: Width] == data_q[i*Width +: Width]);
  end

  always @(posedge clk_i) begin
    sources_hold: assume ((in_waits_q & ~kept) == '0);
    if (rst_n) begin
      in_step: assert (turn_q < Inputs && beat_q < Beats[turn_q*32 +: 32] && \dut.turn_q == Inputs'(1) << turn_q
                       && 32'(\dut.left_q ) == Beats[turn_q*32 +: 32] - 1 - beat_q);
      offered:   assert (valid == valid_i[turn_q]);
      unchanged: assert (data == data_i[turn_q*Width +: Width]);
      // Taken exactly when it leaves, and from nobody else: not lost, not twice, no lock.
      taken:     assert (ready == (ready_i ? Inputs'(1) << turn_q : '0));
      if (waits_q) held: assert (valid && data == waiting_q);
      around:    cover (valid && ready_i && turn_q == Inputs - 1 && waits_q);
    end
  end

endmodule
