// hwqat_fork: every output gets every beat once, unchanged, as soon as it is ready; no lock.
//
// The source keeps the rules of a stream: valid and data hold until taken.

module fork_eager #(
  parameter int Outputs = 3,
  parameter int Width   = 2
) (
  input logic               clk_i,
  input logic [Width-1:0]   data_i,
  input logic               valid_i,
  input logic [Outputs-1:0] ready_i
);

  logic               rst_n = 1'b0;
  logic               ready;
  logic [Outputs-1:0] valid;
  logic [Width-1:0]   data;

  logic [Outputs*Width-1:0] copies;

  always_ff @(posedge clk_i) rst_n <= 1'b1;

  hwqat_fork #(.Width(Width), .Outputs(Outputs)) dut (
    .clk_i, .rst_ni(rst_n), .in_data_i(data_i), .in_valid_i(valid_i), .in_ready_o(ready),
    .out_data_o(copies), .out_valid_o(valid), .out_ready_i(ready_i)
  );

  assign data = copies[Width-1:0];

  (* hierconn *) logic [Outputs-1:0] \dut.done_q ;

  logic [Outputs-1:0] took_q = '0;  // outputs that have the beat which now stands at the input
  logic [Outputs-1:0] waits_q = '0;
  logic               in_waits_q = 1'b0;
  logic [Width-1:0]   data_q;

  always_ff @(posedge clk_i) begin
    took_q     <= (!rst_n || (valid_i && ready)) ? '0 : took_q | (valid & ready_i);
    waits_q    <= rst_n ? valid & ~ready_i : '0;
    in_waits_q <= rst_n & valid_i & ~ready;
    data_q     <= data_i;
  end

  always @(posedge clk_i) begin
    if (in_waits_q) source_holds: assume (valid_i && data_i == data_q);
    if (rst_n) begin
      in_step: assert (took_q == \dut.done_q && (in_waits_q || took_q == '0));
      if (valid_i && ready) not_lost: assert (&(took_q | (valid & ready_i)));
      not_twice: assert (!(valid & took_q));
      eager:     assert (valid == ({Outputs{valid_i}} & ~took_q));
      held:      assert ((waits_q & ~valid) == '0 && (waits_q == '0 || data == data_q));
      unchanged: assert (copies == {Outputs{data_i}});
      if (&(took_q | ready_i)) progress: assert (ready);
      first_only:   cover (took_q == 1 && !ready);
      others_only:  cover (took_q == {{Outputs-1{1'b1}}, 1'b0} && !ready);
      back_to_back: cover (valid_i && ready && took_q != '0);
    end
  end

endmodule
