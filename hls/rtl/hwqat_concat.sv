// Concatenation: for each pixel Beats[0] beats of input 0, then Beats[1] of input 1, and so on.
//
// Beats packs one 32-bit number an input, input 0 in the low bits; so do in_data_i and the handshakes.
// CountBits holds the largest of them, less one.
// Latency: 0. Throughput: one beat a cycle.
// Cuts: nothing; the FIFO on each port does. in_ready_o depends on out_ready_i only.

module hwqat_concat #(
  parameter int unsigned          Inputs    = 2,
  parameter int unsigned          Width     = 8,
  parameter logic [Inputs*32-1:0] Beats     = {Inputs{32'd1}},
  parameter int unsigned          CountBits = 32
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,

  input  logic [Inputs*Width-1:0] in_data_i,
  input  logic [Inputs-1:0]       in_valid_i,
  output logic [Inputs-1:0]       in_ready_o,

  output logic [Width-1:0]        out_data_o,
  output logic                    out_valid_o,
  input  logic                    out_ready_i
);

  logic [Inputs-1:0]    turn_q;  // one-hot: whose beat is next
  logic [CountBits-1:0] left_q;  // beats of it that follow the next one
  logic [CountBits-1:0] next_left;
  logic [Inputs-1:0]    turn_next;

  if (Inputs < 2) begin : g_check
    $error("hwqat_concat: Inputs must be at least 2");
  end

  assign turn_next   = {turn_q[Inputs-2:0], turn_q[Inputs-1]};
  assign out_valid_o = |(in_valid_i & turn_q);
  assign in_ready_o  = turn_q & {Inputs{out_ready_i}};

  always_comb begin
    out_data_o = '0;
    next_left  = '0;
    for (int unsigned i = 0; i < Inputs; i++) begin
      if (turn_q[i])    out_data_o = out_data_o | in_data_i[i*Width +: Width];
      if (turn_next[i]) next_left  = next_left  | CountBits'(Beats[i*32 +: 32] - 32'd1);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      turn_q <= Inputs'(1);
      left_q <= CountBits'(Beats[31:0] - 32'd1);
    end else if (out_valid_o && out_ready_i) begin
      if (left_q == '0) begin
        turn_q <= turn_next;
        left_q <= next_left;
      end else begin
        left_q <= left_q - 1'b1;
      end
    end
  end

endmodule
