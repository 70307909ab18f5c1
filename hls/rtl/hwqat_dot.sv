// Dot products and accumulators of output channels that share their input.
//
//   acc_o[k] = sum over the beats from first_i on of sum_i x_i * w_i[k]   (modulo 2**AccBits)
//
// Groups of at most PackedTerms products are summed as they leave the multipliers (hwqat_packed), then for
// each output by itself. A one-bit weight is a sign: 0 is +1, 1 is -1.
// Latency: 2 (operands, product) + $clog2(Terms) (trees) + 1 (accumulator) cycles in which en_i is high;
// valid_i and first_i come with the beat as it leaves the trees.

module hwqat_dot #(
  parameter int unsigned Outputs     = 1,
  parameter int unsigned Terms       = 1,
  parameter int unsigned InBits      = 8,
  parameter bit          InSigned    = 1'b1,
  parameter int unsigned WeightBits  = 8,
  parameter int unsigned AccBits     = 24,
  parameter int unsigned Pitch       = 18,
  parameter int unsigned PackedTerms = 1
) (
  input  logic                                clk_i,
  input  logic                                en_i,
  input  logic [Terms*InBits-1:0]             x_i,
  input  logic [Outputs*Terms*WeightBits-1:0] w_i,
  input  logic                                valid_i,
  input  logic                                first_i,
  output logic [Outputs*AccBits-1:0]          acc_o
);

  if (PackedTerms < 1 || (PackedTerms & (PackedTerms - 1)) != 0) begin : g_check
    $error("hwqat_dot: PackedTerms must be a power of two");
  end

  // Groups of about one size. More than half of PackedTerms go into each where there are several, so that the
  // two trees together are as deep as one.
  localparam int unsigned Groups  = (Terms + PackedTerms - 1) / PackedTerms;
  localparam int unsigned Group   = (Terms + Groups - 1) / Groups;
  localparam int unsigned SumBits = (Outputs > 1) ? Pitch : InBits + WeightBits + $clog2(Group);

  logic [Outputs*Groups*SumBits-1:0] sums;

  for (genvar g = 0; g < Groups; g++) begin : g_group
    logic [Group*InBits-1:0]             x;
    logic [Outputs*Group*WeightBits-1:0] w;
    logic [Outputs*SumBits-1:0]          sum;

    for (genvar i = 0; i < Group; i++) begin : g_term
      localparam int unsigned Term = g * Group + i;
      if (Term < Terms) begin : g_used
        assign x[i*InBits +: InBits] = x_i[Term*InBits +: InBits];
        for (genvar k = 0; k < Outputs; k++) begin : g_output
          assign w[(k*Group+i)*WeightBits +: WeightBits] = w_i[(k*Terms+Term)*WeightBits +: WeightBits];
        end
      end else begin : g_unused
        assign x[i*InBits +: InBits] = '0;
        for (genvar k = 0; k < Outputs; k++) begin : g_output
          assign w[(k*Group+i)*WeightBits +: WeightBits] = '0;
        end
      end
    end

    hwqat_packed #(
      .Outputs(Outputs), .Terms(Group), .InBits(InBits), .InSigned(InSigned), .WeightBits(WeightBits), .Pitch(Pitch)
    ) u_packed (
      .clk_i, .en_i, .x_i(x), .w_i(w), .sum_o(sum)
    );

    for (genvar k = 0; k < Outputs; k++) begin : g_output
      assign sums[(k*Groups+g)*SumBits +: SumBits] = sum[k*SumBits +: SumBits];
    end
  end

  for (genvar k = 0; k < Outputs; k++) begin : g_output
    logic [AccBits-1:0] sum, acc_q;

    hwqat_tree #(
      .Terms(Groups), .InBits(SumBits), .Signed(1'b1), .Max(1'b0), .OutBits(AccBits)
    ) u_tree (
      .clk_i, .en_i, .terms_i(sums[k*Groups*SumBits +: Groups*SumBits]), .result_o(sum)
    );

    always_ff @(posedge clk_i) begin
      if (en_i & valid_i) acc_q <= first_i ? sum : acc_q + sum;
    end

    assign acc_o[k*AccBits +: AccBits] = acc_q;
  end

endmodule
