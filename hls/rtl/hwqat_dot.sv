// Dot product and accumulator of one output channel: products, adder tree, accumulator.
//
//   acc_o = sum over the beats from first_i on of sum_i x_i * w_i   (modulo 2**AccBits)
//
// A one-bit weight is a sign: 0 is +1, 1 is -1.
// Latency: 1 (product) + $clog2(Terms) (tree) + 1 (accumulator) cycles in which en_i is high;
// valid_i and first_i come with the beat as it leaves the tree.

module hwqat_dot #(
  parameter int unsigned Terms      = 1,
  parameter int unsigned InBits     = 8,
  parameter bit          InSigned   = 1'b1,
  parameter int unsigned WeightBits = 8,
  parameter int unsigned AccBits    = 24
) (
  input  logic                        clk_i,
  input  logic                        en_i,
  input  logic [Terms*InBits-1:0]     x_i,
  input  logic [Terms*WeightBits-1:0] w_i,
  input  logic                        valid_i,
  input  logic                        first_i,
  output logic [AccBits-1:0]          acc_o
);

  localparam int unsigned ProductBits = InBits + WeightBits;  // also of -x

  logic [Terms*ProductBits-1:0] products_q;
  logic [AccBits-1:0]           sum;
  logic [AccBits-1:0]           acc_q;

  for (genvar i = 0; i < Terms; i++) begin : g_term
    logic signed [InBits:0]        x;  // one bit more: it holds an unsigned input, too
    logic signed [ProductBits-1:0] product_q;

    assign x = {InSigned & x_i[(i+1)*InBits-1], x_i[i*InBits +: InBits]};

    if (WeightBits == 1) begin : g_sign
      always_ff @(posedge clk_i) begin
        if (en_i) product_q <= w_i[i] ? -x : x;
      end
    end else begin : g_multiply
      logic signed [WeightBits-1:0] w;
      assign w = w_i[i*WeightBits +: WeightBits];
      always_ff @(posedge clk_i) begin
        if (en_i) product_q <= x * w;
      end
    end

    assign products_q[i*ProductBits +: ProductBits] = product_q;
  end

  hwqat_tree #(
    .Terms(Terms), .InBits(ProductBits), .Signed(1'b1), .Max(1'b0), .OutBits(AccBits)
  ) u_tree (
    .clk_i, .en_i, .terms_i(products_q), .result_o(sum)
  );

  always_ff @(posedge clk_i) begin
    if (en_i & valid_i) acc_q <= first_i ? sum : acc_q + sum;
  end

  assign acc_o = acc_q;

endmodule
