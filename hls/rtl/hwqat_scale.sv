// Multiplies every lane by its own constant and aligns the product.
//
//   data_o[lane] = x_i[lane] * m_i[lane] << Shift   (modulo 2**OutBits)
//
// Latency: 1 cycle.

module hwqat_scale #(
  parameter int unsigned Lanes   = 1,
  parameter int unsigned XBits   = 8,
  parameter bit          XSigned = 1'b1,
  parameter int unsigned MBits   = 16,
  parameter bit          MSigned = 1'b1,
  parameter int unsigned Shift   = 0,
  parameter int unsigned OutBits = 32
) (
  input  logic                     clk_i,
  input  logic                     en_i,
  input  logic [Lanes*XBits-1:0]   x_i,
  input  logic [Lanes*MBits-1:0]   m_i,
  output logic [Lanes*OutBits-1:0] data_o
);

  // Bits that do not reach the result are not made.
  localparam int unsigned ProductBits = (XBits + MBits + 2 < OutBits) ? XBits + MBits + 2 : OutBits;

  for (genvar i = 0; i < Lanes; i++) begin : g_lane
    // One bit more than the operands, so that signed arithmetic holds unsigned ones.
    logic signed [XBits:0]         x;
    logic signed [MBits:0]         m;
    logic signed [XBits+MBits+1:0] product;
    logic signed [ProductBits-1:0] product_q;

    assign x = {XSigned & x_i[(i+1)*XBits-1], x_i[i*XBits +: XBits]};
    assign m = {MSigned & m_i[(i+1)*MBits-1], m_i[i*MBits +: MBits]};

    logic                          unused_product;

    assign product        = x * m;
    assign unused_product = ^product;

    always_ff @(posedge clk_i) begin
      if (en_i) product_q <= ProductBits'(product);
    end

    assign data_o[i*OutBits +: OutBits] = OutBits'(product_q) << Shift;
  end

endmodule
