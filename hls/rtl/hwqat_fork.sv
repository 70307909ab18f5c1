// Eager fork: every beat to all of its outputs, each as soon as it is ready.
//
//   ready_o: every output has the beat, or takes it in this cycle
//
// Latency: 0. Throughput: one beat a cycle.
// Cuts: nothing; the FIFO on each port does.

module hwqat_fork #(
  parameter int unsigned Width   = 8,
  parameter int unsigned Outputs = 2
) (
  input  logic               clk_i,
  input  logic               rst_ni,

  input  logic [Width-1:0]   data_i,
  input  logic               valid_i,
  output logic               ready_o,

  output logic [Width-1:0]   data_o,
  output logic [Outputs-1:0] valid_o,
  input  logic [Outputs-1:0] ready_i
);

  logic [Outputs-1:0] done_d, done_q;  // outputs that already have the present beat

  assign data_o  = data_i;
  assign valid_o = {Outputs{valid_i}} & ~done_q;
  assign done_d  = done_q | (valid_o & ready_i);
  assign ready_o = &(done_q | ready_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || (valid_i && ready_o)) begin
      done_q <= '0;
    end else begin
      done_q <= done_d;
    end
  end

endmodule
