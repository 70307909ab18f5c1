// The join of hwqat_requant: beats of both inputs are taken in pairs, at once or in turn; every pair gives one
// result; no lock. And a fork whose branches meet again in a join, through FIFOs, cannot lock.

module join_pairs #(
  parameter bit Shared = 1'b0
) (
  input logic       clk_i,
  input logic [3:0] data_i,
  input logic [1:0] valid_i,
  input logic       ready_i
);

  logic       rst_n = 1'b0;
  logic [1:0] ready, take;
  logic       valid;
  logic [7:0] data;

  always_ff @(posedge clk_i) rst_n <= 1'b1;
  assign take = valid_i & ready;

  hwqat_requant #(
    .Inputs(2), .Shared(Shared), .In0Bits(2), .In1Bits(2), .Factor0Bits(2), .Factor1Bits(2),
    .Factor0PerTensor(1'b1), .Factor1PerTensor(1'b1),
    .BiasBits(2), .BiasPerTensor(1'b1), .SumBits(8), .Frac(0)
  ) dut (
    .clk_i, .rst_ni(rst_n), .in_data_i(data_i), .in_valid_i(valid_i), .in_ready_o(ready),
    .out_data_o(data), .out_valid_o(valid), .out_ready_i(ready_i)
  );

  (* hierconn *) logic [5:0] \dut.u_pipe.valid_q ;
  (* hierconn *) logic       \dut.u_pipe.fold , \dut.turn ;

  // Beats taken of each input, results given, modulo 16; beats on their way.
  logic [3:0] first_q = '0, second_q = '0, out_q = '0;
  logic [3:0] moving;
  logic       waits_q = 1'b0;
  logic [7:0] waiting_q;

  always_comb begin
    moving = '0;
    for (int i = 0; i < 6; i++) moving = moving + 4'(\dut.u_pipe.valid_q [i]);
  end

  always_ff @(posedge clk_i) begin
    first_q   <= rst_n ? first_q + 4'(take[0]) : '0;
    second_q  <= rst_n ? second_q + 4'(take[1]) : '0;
    out_q     <= rst_n ? out_q + 4'(valid & ready_i) : '0;
    waits_q   <= rst_n & valid & ~ready_i;
    waiting_q <= data;
  end

  always @(posedge clk_i) begin
    if (rst_n) begin
      if (waits_q) held: assert (valid && data == waiting_q);
      if (Shared) begin
        in_turn:  assert (first_q == second_q + 4'(\dut.turn ));
        counted:  assert (first_q + second_q == {out_q[2:0], 1'b0} + moving + 4'(\dut.u_pipe.fold )
                                                + {2'b0, valid, 1'b0});
        progress: assert (ready == ((valid && !ready_i) ? 2'b00 : \dut.turn ? 2'b10 : 2'b01));
      end else begin
        pairs:    assert (first_q == second_q && take[0] == take[1]);
        counted:  assert (first_q == out_q + moving + 4'(valid));
        progress: assert (!(&valid_i) || &take || (valid && !ready_i));
      end
      given: cover (valid && ready_i && waits_q);
    end
  end

endmodule

module join_residual (
  input logic clk_i,
  input logic valid_i,
  input logic go_i,    // the second branch takes a beat only when it likes
  input logic ready_i
);

  logic       rst_n = 1'b0;
  logic       fork_ready, unused_valid;
  logic [3:0] fork_data;
  logic [1:0] fork_valid, fork_taken, fifo_ready, join_valid, join_ready;
  logic [3:0] join_data;
  logic [7:0] unused_data;

  always_ff @(posedge clk_i) rst_n <= 1'b1;
  assign fork_taken = {fifo_ready[1] & go_i, fifo_ready[0]};

  hwqat_fork #(.Width(2), .Outputs(2)) u_fork (
    .clk_i, .rst_ni(rst_n), .in_data_i(2'b00), .in_valid_i(valid_i), .in_ready_o(fork_ready),
    .out_data_o(fork_data), .out_valid_o(fork_valid), .out_ready_i(fork_taken)
  );
  hwqat_fifo #(.Width(2), .Depth(2)) a (
    .clk_i, .rst_ni(rst_n), .data_i(fork_data[1:0]), .valid_i(fork_valid[0]), .ready_o(fifo_ready[0]),
    .data_o(join_data[1:0]), .valid_o(join_valid[0]), .ready_i(join_ready[0])
  );
  hwqat_fifo #(.Width(2), .Depth(2)) b (
    .clk_i, .rst_ni(rst_n), .data_i(fork_data[3:2]), .valid_i(fork_valid[1] & go_i), .ready_o(fifo_ready[1]),
    .data_o(join_data[3:2]), .valid_o(join_valid[1]), .ready_i(join_ready[1])
  );
  hwqat_requant #(
    .Inputs(2), .In0Bits(2), .In1Bits(2), .Factor0Bits(2), .Factor1Bits(2),
    .Factor0PerTensor(1'b1), .Factor1PerTensor(1'b1),
    .BiasBits(2), .BiasPerTensor(1'b1), .SumBits(8), .Frac(0)
  ) u_join (
    .clk_i, .rst_ni(rst_n), .in_data_i(join_data), .in_valid_i(join_valid), .in_ready_o(join_ready),
    .out_data_o(unused_data), .out_valid_o(unused_valid), .out_ready_i(ready_i)
  );

  (* hierconn *) logic       \a.genblk1.g_registers.full_q , \b.genblk1.g_registers.full_q ;
  (* hierconn *) logic [1:0] \u_fork.done_q ;

  // Beats in each branch; the one at the fork counts where it is not yet taken.
  logic [2:0] in_a, in_b;
  assign in_a = 3'(join_valid[0]) + 3'(\a.genblk1.g_registers.full_q );
  assign in_b = 3'(join_valid[1]) + 3'(\b.genblk1.g_registers.full_q );

  logic waits_q = 1'b0;
  always_ff @(posedge clk_i) waits_q <= rst_n & valid_i & ~fork_ready;

  always @(posedge clk_i) begin
    if (waits_q) source_holds: assume (valid_i);
    if (rst_n) begin
      in_order: assert ((join_valid[0] || !\a.genblk1.g_registers.full_q )
                        && (join_valid[1] || !\b.genblk1.g_registers.full_q ));
      // Both branches have had the same beats, but for the one that stands at the fork.
      alike:    assert (in_a + 3'(\u_fork.done_q [1]) == in_b + 3'(\u_fork.done_q [0]));
      waiting:  assert (waits_q || \u_fork.done_q == '0);
      // While branch and sink take what comes, something moves: a beat leaves the fork, or a pair the FIFOs.
      no_lock:  assert (!ready_i || !go_i || !valid_i || |(fork_valid & fork_taken) || &(join_valid & join_ready));
      uneven:   cover (in_a != in_b);
      full:     cover (in_a == 2 && in_b == 2 && !ready_i);
    end
  end

endmodule
