// What every stream cell owes: no part of a beat lost, duplicated, reordered, or changed while it waits.
//
// A beat that enters has InParts parts, one that leaves OutParts; parts leave in the order in which they
// came. One part is marked at any time, followed to the place where it must leave, and compared there.
//
//   held_i, places_i   what the cell holds, read from its registers: the number of parts, and the parts
//                      in the order in which they will leave. They make the proof inductive: that they
//                      agree with the count and with the marked part is asserted, not assumed.

module order #(
  parameter int Width    = 1,
  parameter int InParts  = 1,
  parameter int OutParts = 1,
  parameter int Places   = 2,
  localparam int CountBits = $clog2(Places + InParts + 1) + 1
) (
  input logic                      clk_i,
  input logic                      rst_ni,
  input logic                      push_i,
  input logic [InParts*Width-1:0]  in_i,
  input logic                      valid_i,
  input logic                      ready_i,
  input logic [OutParts*Width-1:0] out_i,
  input logic [CountBits-1:0]      held_i,
  input logic [Places*Width-1:0]   places_i
);

  (* anyseq *) logic                 mark;  // the solver marks a part when it likes
  (* anyseq *) logic [CountBits-1:0] part;

  logic                 marked_q = 1'b0;
  logic [CountBits-1:0] count_q = '0, ahead_q = '0;  // parts held; those that leave before the marked one
  logic [Width-1:0]     data_q;
  logic                 pop, leaves;

  assign pop    = valid_i & ready_i;
  assign leaves = pop & (ahead_q < CountBits'(OutParts));

  always_ff @(posedge clk_i) begin
    count_q <= count_q + (push_i ? CountBits'(InParts) : '0) - (pop ? CountBits'(OutParts) : '0);
    if (marked_q) begin
      if (pop) ahead_q <= ahead_q - CountBits'(OutParts);
      if (leaves) marked_q <= 1'b0;
    end else if (push_i && mark && part < CountBits'(InParts)) begin
      marked_q <= 1'b1;
      ahead_q  <= count_q + part - (pop ? CountBits'(OutParts) : '0);
      data_q   <= in_i[part*Width +: Width];
    end
    if (!rst_ni) begin
      count_q  <= '0;
      marked_q <= 1'b0;
    end
  end

  // Of the beat that waited in the cycle before.
  logic                      waits_q = 1'b0;
  logic [OutParts*Width-1:0] waiting_q;

  always_ff @(posedge clk_i) begin
    waits_q   <= rst_ni & valid_i & ~ready_i;
    waiting_q <= out_i;
  end

  always @(posedge clk_i) begin
    if (rst_ni) begin
      if (waits_q) begin
        held_valid: assert (valid_i);
        held_data:  assert (out_i == waiting_q);
      end
      if (valid_i) begin
        not_invented: assert (count_q >= CountBits'(OutParts));
        if (marked_q && ahead_q < CountBits'(OutParts)) begin
          same_part: assert (out_i[ahead_q*Width +: Width] == data_q);
        end
      end
      counted: assert (held_i == count_q && count_q <= CountBits'(Places));
      if (marked_q) begin
        in_place: assert (ahead_q < count_q && places_i[ahead_q*Width +: Width] == data_q);
      end
      full:         cover (count_q == CountBits'(Places));
      comes_out:    cover (marked_q && leaves);
      after_a_wait: cover (marked_q && leaves && waits_q);
    end
  end

endmodule
