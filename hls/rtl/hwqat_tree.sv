// Reduction tree: the sum, or the largest, of Terms numbers; one register after each level of pairs.
//
//   result_o = sum_i term_i  (modulo 2**OutBits), or max_i term_i
//
// Numbers are signed where Signed is set. Latency: $clog2(Terms) cycles in which en_i is high.

module hwqat_tree #(
  parameter int unsigned Terms   = 2,
  parameter int unsigned InBits  = 8,
  parameter bit          Signed  = 1'b1,
  parameter bit          Max     = 1'b0,
  parameter int unsigned OutBits = 9
) (
  input  logic                    clk_i,
  input  logic                    en_i,
  input  logic [Terms*InBits-1:0] terms_i,
  output logic [OutBits-1:0]      result_o
);

  if (Terms < 1) begin : g_check
    $error("hwqat_tree: Terms must be at least 1");
  end

  if (Terms == 1) begin : g_one
    logic unused_controls;
    assign unused_controls = ^{clk_i, en_i};
    assign result_o = OutBits'($signed({Signed & terms_i[InBits-1], terms_i}));
  end else if (Terms > 1) begin : g_tree
    // One level of pairs and its register; the rest of the tree is an instance of this module.
    localparam int unsigned Pairs    = (Terms + 1) / 2;
    localparam int unsigned Wanted   = Max ? InBits : InBits + 1;
    localparam int unsigned PairBits = (Wanted < OutBits) ? Wanted : OutBits;

    logic [Pairs*PairBits-1:0] pairs_q;

    for (genvar i = 0; i < Pairs; i++) begin : g_pair
      // One bit more than InBits, so that signed arithmetic holds an unsigned number.
      logic signed [InBits:0]     left;
      logic        [PairBits-1:0] pair;

      assign left = {Signed & terms_i[(2*i+1)*InBits-1], terms_i[2*i*InBits +: InBits]};

      if (2 * i + 1 < Terms) begin : g_two
        logic signed [InBits:0] right;
        assign right = {Signed & terms_i[(2*i+2)*InBits-1], terms_i[(2*i+1)*InBits +: InBits]};
        assign pair  = Max ? PairBits'((left > right) ? left : right) : PairBits'(left + right);
      end else begin : g_odd
        logic unused_sign;
        assign unused_sign = left[InBits];
        assign pair = PairBits'(left);
      end

      always_ff @(posedge clk_i) begin
        if (en_i) pairs_q[i*PairBits +: PairBits] <= pair;
      end
    end

    // An unsigned sum cut to OutBits bits or grown by one bit is still unsigned.
    hwqat_tree #(
      .Terms(Pairs), .InBits(PairBits), .Signed(Signed), .Max(Max), .OutBits(OutBits)
    ) u_rest (
      .clk_i, .en_i, .terms_i(pairs_q), .result_o
    );
  end

endmodule
