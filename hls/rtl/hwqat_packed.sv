// Sums of products that share their x: Outputs of them in one multiplier for each term.
//
//   sum_o[k] = sum_i x_i * w_i[k]
//
// The weights of a term stand Pitch bits apart in the multiplier's wide operand, so that one product holds
// all of theirs, and the sum of such products holds all sums (W. Fu et al., Xilinx WP486):
//
//   word_i = sum_k w_i[k] << (k * Pitch)         packed = sum_i word_i * x_i = sum_k sum_o[k] << (k * Pitch)
//
// A field's negative number borrows one from the field above it, which gets it back from the sign bit below
// it. This is exact as long as every sum stays within -(2**(Pitch-1) - 1) .. 2**(Pitch-1) - 1; the plan's
// packing (hwqat/devices.py) has Terms and Pitch that keep to it for all operands.
//
// With one output nothing is packed. A one-bit weight is a sign: 0 is +1, 1 is -1.
// Latency: 2 (operands, product) + $clog2(Terms) (tree) cycles in which en_i is high. A ROM's output and the
// packing each take a good part of a cycle, so that the multiplier has its operands in registers.

module hwqat_packed #(
  parameter int unsigned Outputs    = 2,
  parameter int unsigned Terms      = 1,
  parameter int unsigned InBits     = 8,
  parameter bit          InSigned   = 1'b1,
  parameter int unsigned WeightBits = 8,
  parameter int unsigned Pitch      = 18,
  localparam int unsigned SumBits = (Outputs > 1) ? Pitch : InBits + WeightBits + $clog2(Terms)
) (
  input  logic                                clk_i,
  input  logic                                en_i,
  input  logic [Terms*InBits-1:0]             x_i,
  input  logic [Outputs*Terms*WeightBits-1:0] w_i,
  output logic [Outputs*SumBits-1:0]          sum_o
);

  // Of a sum of Terms products, whatever the operands.
  localparam logic [63:0] Largest = 64'(Terms) * (InSigned ? 64'd1 << (InBits - 1) : (64'd1 << InBits) - 64'd1) << (WeightBits - 1);

  if (Outputs > 1 && Largest > (64'd1 << (Pitch - 1)) - 64'd1) begin : g_check
    $error("hwqat_packed: Pitch must be wide enough for the sum of Terms products");
  end

  localparam int unsigned WordBits    = (Outputs - 1) * Pitch + WeightBits + 32'(Outputs > 1);
  localparam int unsigned ProductBits = (Outputs > 1) ? WordBits + InBits : InBits + WeightBits;  // also of -x

  logic [Terms*ProductBits-1:0] products_q;
  logic [Outputs*SumBits-1:0]   packed_sum;

  for (genvar i = 0; i < Terms; i++) begin : g_term
    logic signed [InBits:0]        x, x_q;  // one bit more: it holds an unsigned input, too
    logic signed [ProductBits-1:0] product_q;

    assign x = {InSigned & x_i[(i+1)*InBits-1], x_i[i*InBits +: InBits]};

    always_ff @(posedge clk_i) begin
      if (en_i) x_q <= x;
    end

    if (WeightBits == 1) begin : g_sign
      logic w_q;
      always_ff @(posedge clk_i) begin
        if (en_i) begin
          w_q       <= w_i[i];
          product_q <= w_q ? -x_q : x_q;
        end
      end
    end else begin : g_multiply
      logic signed [WordBits-1:0] word, word_q;

      always_comb begin
        word = '0;
        for (int unsigned k = 0; k < Outputs; k++) begin
          word += WordBits'($signed(w_i[(k*Terms+i)*WeightBits +: WeightBits])) << (k * Pitch);
        end
      end

      always_ff @(posedge clk_i) begin
        if (en_i) begin
          word_q    <= word;
          product_q <= word_q * x_q;
        end
      end
    end

    assign products_q[i*ProductBits +: ProductBits] = product_q;
  end

  hwqat_tree #(
    .Terms(Terms), .InBits(ProductBits), .Signed(1'b1), .Max(1'b0), .OutBits(Outputs * SumBits)
  ) u_tree (
    .clk_i, .en_i, .terms_i(products_q), .result_o(packed_sum)
  );

  for (genvar k = 0; k < Outputs; k++) begin : g_output
    if (k == 0) begin : g_lowest
      assign sum_o[SumBits-1:0] = packed_sum[SumBits-1:0];
    end else begin : g_repaid
      assign sum_o[k*SumBits +: SumBits] = packed_sum[k*SumBits +: SumBits] + SumBits'(packed_sum[k*SumBits-1]);
    end
  end

endmodule
