// Replay buffer: every group of Folds beats leaves Repeats times, in order.
//
// Two halves of Folds words: one fills while the other is replayed, so that a source that sends one
// beat every Repeats cycles keeps the output at one beat a cycle.
//
// Latency: 2 cycles. Throughput: one output beat a cycle.
// Cuts: valid, data and ready_o. ready_o does not depend on valid_i or ready_i.

module hwqat_replay #(
  parameter int unsigned Width   = 8,
  parameter int unsigned Folds   = 1,
  parameter int unsigned Repeats = 2
) (
  input  logic             clk_i,
  input  logic             rst_ni,

  input  logic [Width-1:0] data_i,
  input  logic             valid_i,
  output logic             ready_o,

  output logic [Width-1:0] data_o,
  output logic             valid_o,
  input  logic             ready_i
);

  localparam int unsigned FoldBits = (Folds > 1) ? $clog2(Folds) : 1;

  // What is read was written in an earlier cycle: synthesis need not build what a memory lacks for the rest.
  (* no_rw_check *) logic [Width-1:0] mem [2**(FoldBits+1)];  // address {half, fold}

  // Writer.
  logic [FoldBits-1:0] write_fold;
  logic                write_last, write_half_q, push;
  logic [1:0]          full_q;

  assign ready_o = ~full_q[write_half_q];
  assign push    = valid_i & ready_o;

  hwqat_counter #(.Count(Folds)) u_write_fold (
    .clk_i, .rst_ni, .step_i(push), .count_o(write_fold), .last_o(write_last)
  );

  always_ff @(posedge clk_i) begin
    if (push) mem[{write_half_q, write_fold}] <= data_i;
  end

  // Reader: a beat may be read as soon as it is written, also while its half still fills.
  localparam int unsigned RepeatBits = (Repeats > 1) ? $clog2(Repeats) : 1;

  logic [FoldBits-1:0]   read_fold;
  logic [RepeatBits-1:0] unused_repeat;
  logic                  read_fold_last, read_repeat_last, read_half_q;
  logic                  there, load, pop, valid_q;
  logic [Width-1:0]      data_q;

  assign there   = full_q[read_half_q] | ((write_half_q == read_half_q) & (read_fold < write_fold));
  assign load    = ~valid_q | ready_i;
  assign pop     = there & load;
  assign valid_o = valid_q;
  assign data_o  = data_q;

  hwqat_counter #(.Count(Folds)) u_read_fold (
    .clk_i, .rst_ni, .step_i(pop), .count_o(read_fold), .last_o(read_fold_last)
  );
  hwqat_counter #(.Count(Repeats)) u_read_repeat (
    .clk_i, .rst_ni, .step_i(pop & read_fold_last), .count_o(unused_repeat), .last_o(read_repeat_last)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_half_q <= 1'b0;
      read_half_q  <= 1'b0;
      full_q       <= '0;
      valid_q      <= 1'b0;
    end else begin
      if (push & write_last) begin
        full_q[write_half_q] <= 1'b1;
        write_half_q         <= ~write_half_q;
      end
      if (pop & read_fold_last & read_repeat_last) begin
        full_q[read_half_q] <= 1'b0;
        read_half_q         <= ~read_half_q;
      end
      if (load) valid_q <= there;
    end
  end

  always_ff @(posedge clk_i) begin
    if (pop) data_q <= mem[{read_half_q, read_fold}];
  end

endmodule
