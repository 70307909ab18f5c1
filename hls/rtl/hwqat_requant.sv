// Requantise: Pe lanes, one or two inputs, one beat a cycle.
//
//   sum = bias + (x0 * m0 << Shift0) + (x1 * m1 << Shift1)
//   out = clamp(round(sum * 2**-Frac), Lo, Hi)
//
// The ROMs hold one word of Pe constants for each of the Groups channel groups, or (PerTensor) one
// constant for all. in_data_i packs input 0 in the low bits; so do the handshakes. An input that is
// not there (Inputs = 1) has In1Bits = 0.
// Two inputs may share the multipliers of their lanes (Shared): they are taken in turn.
// Latency: 7 cycles: constants, 3 of hwqat_scale, sum, rounding, clamp. Throughput: one beat a cycle; two
// cycles a beat with Shared.
// Cuts: valid and data; out_ready_i reaches in_ready_o through one gate, and with two inputs at once each
// in_ready_o waits for the other input's valid (never for its own).

module hwqat_requant #(
  parameter int unsigned Inputs = 1,
  parameter bit          Shared = 1'b0,
  parameter int unsigned Groups = 1,
  parameter int unsigned Pe     = 1,

  parameter int unsigned In0Bits          = 8,
  parameter bit          In0Signed        = 1'b1,
  parameter int unsigned Factor0Bits      = 16,
  parameter bit          Factor0Signed    = 1'b1,
  parameter bit          Factor0PerTensor = 1'b0,
  parameter              Factor0File      = "",
  parameter int unsigned Shift0           = 0,

  parameter int unsigned In1Bits          = 0,
  parameter bit          In1Signed        = 1'b1,
  parameter int unsigned Factor1Bits      = 16,
  parameter bit          Factor1Signed    = 1'b1,
  parameter bit          Factor1PerTensor = 1'b0,
  parameter              Factor1File      = "",
  parameter int unsigned Shift1           = 0,

  parameter int unsigned Wide          = 27,  // operands of the target's multiplier blocks
  parameter int unsigned Narrow        = 18,
  parameter bit          InLuts        = 1'b0,  // products of LUTs, not of multiplier blocks

  parameter int unsigned BiasBits      = 16,
  parameter bit          BiasPerTensor = 1'b0,
  parameter              BiasFile      = "",

  parameter int unsigned        SumBits  = 32,
  parameter int                 Frac     = 8,
  parameter logic [127:0]       Rounding = "AP_RND",
  parameter logic signed [63:0] Lo       = -64'sd128,
  parameter logic signed [63:0] Hi       = 64'sd127,
  parameter int unsigned        OutBits  = 8
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,

  input  logic [Pe*(In0Bits+In1Bits)-1:0] in_data_i,
  input  logic [Inputs-1:0]               in_valid_i,
  output logic [Inputs-1:0]               in_ready_o,

  output logic [Pe*OutBits-1:0]           out_data_o,
  output logic                            out_valid_o,
  input  logic                            out_ready_i
);

  if (Inputs != 1 && Inputs != 2) begin : g_check
    $error("hwqat_requant: Inputs must be 1 or 2");
  end
  if (Shared && Inputs != 2) begin : g_check_shared
    $error("hwqat_requant: Shared needs two inputs");
  end

  // One control for all lanes; every beat, or every pair of beats taken in turn, gives a result.
  logic valid, en, ready, take, take_last, unused_tree_valid, unused_tree_first;

  hwqat_pipe #(.Latency(6), .Folds(Shared ? 2 : 1)) u_pipe (
    .clk_i, .rst_ni,
    .valid_i(valid), .ready_o(ready),
    .en_o(en), .tree_valid_o(unused_tree_valid), .tree_first_o(unused_tree_first),
    .valid_o(out_valid_o), .ready_i(out_ready_i)
  );

  assign take = valid & ready;

  logic turn;  // the input that is taken, with Shared

  if (Shared) begin : g_turn
    logic unused_turn_last;

    hwqat_counter #(.Count(2)) u_turn (
      .clk_i, .rst_ni, .step_i(take), .count_o(turn), .last_o(unused_turn_last)
    );
    assign valid      = in_valid_i[turn];
    assign take_last  = take & turn;
    assign in_ready_o = {ready & turn, ready & ~turn};
  end else begin : g_at_once
    assign turn      = 1'b0;
    assign valid     = &in_valid_i;
    assign take_last = take;
    if (Inputs == 2) begin : g_join
      assign in_ready_o = {ready & in_valid_i[0], ready & in_valid_i[1]};
    end else begin : g_single
      assign in_ready_o = ready;
    end
  end

  // Constants of the channel group.
  localparam int unsigned GroupBits = (Groups > 1) ? $clog2(Groups) : 1;

  logic [GroupBits-1:0]             group, group_q, bias_group_q;
  logic                             unused_group_last;
  logic [Pe*(In0Bits+In1Bits)-1:0]  x_q;
  logic [Pe*Factor0Bits-1:0]        m0;
  logic [Pe*BiasBits-1:0]           bias;

  hwqat_counter #(.Count(Groups)) u_group (
    .clk_i, .rst_ni, .step_i(take_last), .count_o(group), .last_o(unused_group_last)
  );
  hwqat_constants #(
    .Lanes(Pe), .Bits(Factor0Bits), .Groups(Groups), .PerTensor(Factor0PerTensor), .File(Factor0File)
  ) u_m0 (
    .clk_i, .en_i(en), .group_i(group), .data_o(m0)
  );
  hwqat_constants #(
    .Lanes(Pe), .Bits(BiasBits), .Groups(Groups), .PerTensor(BiasPerTensor), .File(BiasFile)
  ) u_bias (
    .clk_i, .en_i(en), .group_i(bias_group_q), .data_o(bias)
  );

  // The bias is read when the products are under way: its group waits, which has fewer bits.
  always_ff @(posedge clk_i) begin
    if (en) begin
      x_q          <= in_data_i;
      group_q      <= group;
      bias_group_q <= group_q;
    end
  end

  logic [Pe*Factor1Bits-1:0] m1;

  if (Inputs == 2) begin : g_second
    hwqat_constants #(
      .Lanes(Pe), .Bits(Factor1Bits), .Groups(Groups), .PerTensor(Factor1PerTensor), .File(Factor1File)
    ) u_m1 (
      .clk_i, .en_i(en), .group_i(group), .data_o(m1)
    );
  end else begin : g_no_second
    assign m1 = '0;
  end

  // Products, aligned to the sum. What they are added to, and when, is told beside them.
  logic [Pe*SumBits-1:0] terms0, terms1;
  logic                  sum_valid, sum_more;

  if (Shared) begin : g_shared
    logic [3:0] valid_q, turn_q;

    hwqat_scale_shared #(
      .Lanes(Pe), .X0Bits(In0Bits), .X0Signed(In0Signed), .M0Bits(Factor0Bits), .M0Signed(Factor0Signed), .Shift0(Shift0),
      .X1Bits(In1Bits), .X1Signed(In1Signed), .M1Bits(Factor1Bits), .M1Signed(Factor1Signed), .Shift1(Shift1), .OutBits(SumBits),
      .Wide(Wide), .Narrow(Narrow), .InLuts(InLuts)
    ) u_scale (
      .clk_i, .en_i(en), .second_i(turn_q[0]),
      .x0_i(x_q[Pe*In0Bits-1:0]), .m0_i(m0), .x1_i(x_q[Pe*In0Bits +: Pe*In1Bits]), .m1_i(m1), .data_o(terms0)
    );
    assign terms1 = '0;

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        valid_q <= '0;
      end else if (en) begin
        valid_q <= {valid_q[2:0], valid};
      end
      if (en) turn_q <= {turn_q[2:0], turn};
    end
    assign sum_valid = valid_q[3];
    assign sum_more  = turn_q[3];
  end else begin : g_each
    hwqat_scale #(
      .Lanes(Pe), .XBits(In0Bits), .XSigned(In0Signed), .MBits(Factor0Bits), .MSigned(Factor0Signed),
      .Wide(Wide), .Narrow(Narrow), .InLuts(InLuts), .Shift(Shift0), .OutBits(SumBits)
    ) u_scale0 (
      .clk_i, .en_i(en), .x_i(x_q[Pe*In0Bits-1:0]), .m_i(m0), .data_o(terms0)
    );
    if (Inputs == 2) begin : g_second
      hwqat_scale #(
        .Lanes(Pe), .XBits(In1Bits), .XSigned(In1Signed), .MBits(Factor1Bits), .MSigned(Factor1Signed),
        .Wide(Wide), .Narrow(Narrow), .InLuts(InLuts), .Shift(Shift1), .OutBits(SumBits)
      ) u_scale1 (
        .clk_i, .en_i(en), .x_i(x_q[Pe*In0Bits +: Pe*In1Bits]), .m_i(m1), .data_o(terms1)
      );
    end else begin : g_none
      logic unused_m1;
      assign unused_m1 = ^m1;
      assign terms1    = '0;
    end
    logic unused_turn;
    assign unused_turn = turn;
    assign sum_valid = 1'b1;
    assign sum_more  = 1'b0;
  end

  // Sum, rounding, clamp.
  localparam int unsigned RoundShift = (Frac > 0) ? Frac : 0;
  localparam int unsigned RoundBits  = (SumBits > RoundShift) ? SumBits - RoundShift + 1 : 2;

  for (genvar p = 0; p < Pe; p++) begin : g_pe
    logic signed [BiasBits-1:0]  bias_q;
    logic signed [SumBits-1:0]   start, sum_q;
    logic signed [RoundBits-1:0] rounded, rounded_q;
    logic signed [63:0]          wide;
    logic [OutBits-1:0]          out_q;

    hwqat_round #(.Bits(SumBits), .Frac(Frac), .Mode(Rounding)) u_round (
      .sum_i(sum_q), .q_o(rounded)
    );

    assign start = sum_more ? sum_q : SumBits'(bias_q);
    assign wide  = 64'(rounded_q);

    always_ff @(posedge clk_i) begin
      if (en) begin
        bias_q    <= bias[p*BiasBits +: BiasBits];
        rounded_q <= rounded;
        out_q     <= (wide < Lo) ? Lo[OutBits-1:0] : (wide > Hi) ? Hi[OutBits-1:0] : wide[OutBits-1:0];
      end
      if (en & sum_valid) sum_q <= start + terms0[p*SumBits +: SumBits] + terms1[p*SumBits +: SumBits];
    end

    assign out_data_o[p*OutBits +: OutBits] = out_q;
  end

endmodule
