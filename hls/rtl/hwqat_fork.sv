// Eager fork: every beat to all of its outputs, each as soon as it is ready.
//
//   in_ready_o: every output has the beat, or takes it in this cycle
//
// Latency: 0. Throughput: one beat a cycle.
// Cuts: nothing; the FIFO on each port does.

module hwqat_fork #(
  parameter int unsigned Width   = 8,
  parameter int unsigned Outputs = 2
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,

  input  logic [Width-1:0]         in_data_i,
  input  logic                     in_valid_i,
  output logic                     in_ready_o,

  output logic [Outputs*Width-1:0] out_data_o,  // output 0 in the low bits; so are the handshakes
  output logic [Outputs-1:0]       out_valid_o,
  input  logic [Outputs-1:0]       out_ready_i
);

  if (Width < 1) begin : g_check_width
    $error("hwqat_fork: Width must be at least 1");
  end
  if (Outputs < 2) begin : g_check
    $error("hwqat_fork: Outputs must be at least 2");
  end

  logic [Outputs-1:0] done_d, done_q;  // outputs that already have the present beat

  assign out_data_o  = {Outputs{in_data_i}};
  assign out_valid_o = {Outputs{in_valid_i}} & ~done_q;
  assign done_d      = done_q | (out_valid_o & out_ready_i);
  assign in_ready_o  = &(done_q | out_ready_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || (in_valid_i && in_ready_o)) begin
      done_q <= '0;
    end else begin
      done_q <= done_d;
    end
  end

endmodule
