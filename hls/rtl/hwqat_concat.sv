// Concatenation: for each pixel Beats[0] beats of input 0, then Beats[1] of input 1, and so on.
//
// Beats packs one 32-bit number an input, input 0 in the low bits; so do data_i and the handshakes.
// CountBits holds the largest of them, less one.
// Latency: 0. Throughput: one beat a cycle.
// Cuts: nothing; the FIFO on each port does. ready_o depends on ready_i only.

module hwqat_concat #(
  parameter int unsigned          Width  = 8,
  parameter int unsigned          Inputs = 2,
  parameter int unsigned          CountBits = 32,
  parameter logic [Inputs*32-1:0] Beats  = '0
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,

  input  logic [Inputs*Width-1:0] data_i,
  input  logic [Inputs-1:0]       valid_i,
  output logic [Inputs-1:0]       ready_o,

  output logic [Width-1:0]        data_o,
  output logic                    valid_o,
  input  logic                    ready_i
);

  logic [Inputs-1:0] turn_q;  // one-hot: whose beat is next
  logic [CountBits-1:0] left_q;  // beats of it that follow the next one
  logic [CountBits-1:0] next_left;
  logic [Inputs-1:0] turn_next;

  if (Inputs < 2) begin : g_check
    $error("hwqat_concat: Inputs must be at least 2");
  end

  assign turn_next = {turn_q[Inputs-2:0], turn_q[Inputs-1]};
  assign valid_o   = |(valid_i & turn_q);
  assign ready_o   = turn_q & {Inputs{ready_i}};

  always_comb begin
    data_o    = '0;
    next_left = '0;
    for (int unsigned i = 0; i < Inputs; i++) begin
      if (turn_q[i])    data_o    = data_o    | data_i[i*Width +: Width];
      if (turn_next[i]) next_left = next_left | CountBits'(Beats[i*32 +: 32] - 32'd1);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      turn_q <= Inputs'(1);
      left_q <= CountBits'(Beats[31:0] - 32'd1);
    end else if (valid_o && ready_i) begin
      if (left_q == '0) begin
        turn_q <= turn_next;
        left_q <= next_left;
      end else begin
        left_q <= left_q - 1'b1;
      end
    end
  end

endmodule
