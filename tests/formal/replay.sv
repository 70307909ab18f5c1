// hwqat_replay: every group of Folds beats leaves Repeats times, in order, unchanged; no lock.
//
// Groups are counted modulo 4: the buffer holds two, and the output register part of a third.

module replay_groups #(
  parameter int Folds   = 2,
  parameter int Repeats = 3,
  parameter int Width   = 2
) (
  input logic             clk_i,
  input logic [Width-1:0] data_i,
  input logic             valid_i,
  input logic             ready_i
);

  localparam int FoldBits   = (Folds > 1) ? $clog2(Folds) : 1;
  localparam int RepeatBits = (Repeats > 1) ? $clog2(Repeats) : 1;

  logic             rst_n = 1'b0;
  logic             ready, valid;
  logic [Width-1:0] data;

  always_ff @(posedge clk_i) rst_n <= 1'b1;

  hwqat_replay #(.Width(Width), .Folds(Folds), .Repeats(Repeats)) dut (
    .clk_i, .rst_ni(rst_n), .data_i, .valid_i, .ready_o(ready), .data_o(data), .valid_o(valid), .ready_i
  );

  (* hierconn *) logic                  \dut.write_half_q , \dut.read_half_q ;
  (* hierconn *) logic [1:0]            \dut.full_q ;
  (* hierconn *) logic [FoldBits-1:0]   \dut.write_fold , \dut.read_fold ;
  (* hierconn *) logic [RepeatBits-1:0] \dut.unused_repeat ;
  (* hierconn *) logic [Width-1:0]      \dut.mem[0] , \dut.mem[1] , \dut.mem[2] , \dut.mem[3] ;

  logic [2*2**FoldBits*Width-1:0] words;  // address {half, fold}
`ifdef FOLDS_3
  (* hierconn *) logic [Width-1:0] \dut.mem[4] , \dut.mem[5] , \dut.mem[6] , \dut.mem[7] ;
  assign words = {\dut.mem[7] , \dut.mem[6] , \dut.mem[5] , \dut.mem[4] ,
                  \dut.mem[3] , \dut.mem[2] , \dut.mem[1] , \dut.mem[0] };
`else
  assign words = {\dut.mem[3] , \dut.mem[2] , \dut.mem[1] , \dut.mem[0] };
`endif

  // Places in the stream: of the next beat in, of the next beat out, and of the beat that the buffer reads next.
  logic [1:0] in_group_q = '0, out_group_q = '0, read_group;
  logic [7:0] in_fold_q = '0, out_fold_q = '0, out_repeat_q = '0, read_fold, read_repeat;
  logic       push, pop, fold_ends, group_ends;

  assign push       = valid_i & ready;
  assign pop        = valid & ready_i;
  assign fold_ends  = out_fold_q == Folds - 1;
  assign group_ends = fold_ends & (out_repeat_q == Repeats - 1);

  assign read_fold   = !valid ? out_fold_q : fold_ends ? '0 : out_fold_q + 1;
  assign read_repeat = (!valid || !fold_ends) ? out_repeat_q : group_ends ? '0 : out_repeat_q + 1;
  assign read_group  = out_group_q + 2'(valid & group_ends);

  always_ff @(posedge clk_i) begin
    if (push) begin
      in_fold_q  <= (in_fold_q == Folds - 1) ? '0 : in_fold_q + 1;
      in_group_q <= in_group_q + 2'(in_fold_q == Folds - 1);
    end
    if (pop) begin
      out_fold_q   <= fold_ends ? '0 : out_fold_q + 1;
      out_repeat_q <= !fold_ends ? out_repeat_q : group_ends ? '0 : out_repeat_q + 1;
      out_group_q  <= out_group_q + 2'(group_ends);
    end
    if (!rst_n) begin
      in_fold_q    <= '0;
      in_group_q   <= '0;
      out_fold_q   <= '0;
      out_repeat_q <= '0;
      out_group_q  <= '0;
    end
  end

  // A beat that the solver marks as it enters, until its group has left for good.
  (* anyseq *) logic mark;
  logic              marked_q = 1'b0;
  logic [1:0]        group_q;
  logic [7:0]        fold_q;
  logic [Width-1:0]  data_q, waiting_q;
  logic              waits_q = 1'b0, late_q = 1'b0;

  always_ff @(posedge clk_i) begin
    if (!marked_q && push && mark) begin
      marked_q <= 1'b1;
      group_q  <= in_group_q;
      fold_q   <= in_fold_q;
      data_q   <= data_i;
    end else if (pop && group_ends && out_group_q == group_q) begin
      marked_q <= 1'b0;
    end
    if (!rst_n) marked_q <= 1'b0;
    waits_q   <= rst_n & valid & ~ready_i;
    waiting_q <= data;
    late_q    <= rst_n & ~valid & (read_group != in_group_q || read_fold < in_fold_q);
  end

  // Groups begun or complete that the reader has not done with.
  logic [1:0] ahead, of_mark;
  assign ahead   = in_group_q - read_group;
  assign of_mark = in_group_q - group_q;

  always @(posedge clk_i) begin
    if (rst_n) begin
      if (waits_q) held: assert (valid && data == waiting_q);
      // The beat at the output has entered: its group is complete, or it comes before the next one in.
      if (valid) not_invented: assert (out_group_q != in_group_q || out_fold_q < in_fold_q);
      if (valid && marked_q && out_group_q == group_q && out_fold_q == fold_q) same: assert (data == data_q);

      room:     assert (ready == (ahead != 2));
      progress: assert (!late_q || valid);

      // What makes it inductive: counters of the block against the places above; the marked beat in its word.
      ranges:  assert (in_fold_q < Folds && out_fold_q < Folds && out_repeat_q < Repeats && ahead <= 2);
      writer:  assert (\dut.write_half_q == in_group_q[0] && (Folds == 1 || \dut.write_fold == in_fold_q));
      reader:  assert (\dut.read_half_q == read_group[0] && (Folds == 1 || \dut.read_fold == read_fold)
                       && (Repeats == 1 || \dut.unused_repeat == read_repeat));
      halves:  assert (\dut.full_q == (ahead == 2 ? 2'b11 : ahead == 0 ? 2'b00 : read_group[0] ? 2'b10 : 2'b01));
      if (ahead == 0) behind: assert (read_repeat == 0 && read_fold <= in_fold_q);
      if (marked_q) begin
        place: assert (of_mark <= ahead + 2'(valid & group_ends) && (of_mark != 0 || fold_q < in_fold_q)
                       && fold_q < Folds);
        if (of_mark <= ahead) word: assert (words[(32'(group_q[0])*2**FoldBits+fold_q)*Width +: Width] == data_q);
      end
      again:   cover (marked_q && pop && out_group_q == group_q && out_fold_q == fold_q && out_repeat_q == Repeats - 1);
      both:    cover (ahead == 2 && pop && group_ends);
    end
  end

endmodule
