// Multiplies every lane of one of two inputs by that input's constant and aligns the product.
//
//   data_o[lane] = second_i ? x1_i[lane] * m1_i[lane] << Shift1 : x0_i[lane] * m0_i[lane] << Shift0
//                                                                                      (modulo 2**OutBits)
//
// One multiplier a lane, which takes what either input needs, made of LUTs with InLuts. Latency: 3 cycles, those of hwqat_scale.

module hwqat_scale_shared #(
  parameter int unsigned Lanes    = 1,
  parameter int unsigned X0Bits   = 8,
  parameter bit          X0Signed = 1'b1,
  parameter int unsigned M0Bits   = 16,
  parameter bit          M0Signed = 1'b1,
  parameter int unsigned Shift0   = 0,
  parameter int unsigned X1Bits   = 8,
  parameter bit          X1Signed = 1'b1,
  parameter int unsigned M1Bits   = 16,
  parameter bit          M1Signed = 1'b1,
  parameter int unsigned Shift1   = 0,
  parameter int unsigned Wide     = 27,
  parameter int unsigned Narrow   = 18,
  parameter bit          InLuts   = 1'b0,
  parameter int unsigned OutBits  = 32
) (
  input  logic                     clk_i,
  input  logic                     en_i,
  input  logic                     second_i,
  input  logic [Lanes*X0Bits-1:0]  x0_i,
  input  logic [Lanes*M0Bits-1:0]  m0_i,
  input  logic [Lanes*X1Bits-1:0]  x1_i,
  input  logic [Lanes*M1Bits-1:0]  m1_i,
  output logic [Lanes*OutBits-1:0] data_o
);

  // Signed operands that hold either input's.
  localparam int unsigned X0Wide = X0Bits + 32'(!X0Signed);
  localparam int unsigned X1Wide = X1Bits + 32'(!X1Signed);
  localparam int unsigned M0Wide = M0Bits + 32'(!M0Signed);
  localparam int unsigned M1Wide = M1Bits + 32'(!M1Signed);
  localparam int unsigned XBits  = (X0Wide > X1Wide) ? X0Wide : X1Wide;
  localparam int unsigned MBits  = (M0Wide > M1Wide) ? M0Wide : M1Wide;

  logic [Lanes*XBits-1:0]   x0, x1;
  logic [Lanes*MBits-1:0]   m0, m1;
  logic [Lanes*OutBits-1:0] products;
  logic [2:0]               second_q;

  hwqat_resize #(.Lanes(Lanes), .InBits(X0Bits), .Signed(X0Signed), .OutBits(XBits)) u_x0 (
    .data_i(x0_i), .data_o(x0)
  );
  hwqat_resize #(.Lanes(Lanes), .InBits(X1Bits), .Signed(X1Signed), .OutBits(XBits)) u_x1 (
    .data_i(x1_i), .data_o(x1)
  );
  hwqat_resize #(.Lanes(Lanes), .InBits(M0Bits), .Signed(M0Signed), .OutBits(MBits)) u_m0 (
    .data_i(m0_i), .data_o(m0)
  );
  hwqat_resize #(.Lanes(Lanes), .InBits(M1Bits), .Signed(M1Signed), .OutBits(MBits)) u_m1 (
    .data_i(m1_i), .data_o(m1)
  );
  hwqat_scale #(
    .Lanes(Lanes), .XBits(XBits), .XSigned(1'b1), .MBits(MBits), .MSigned(1'b1), .Wide(Wide), .Narrow(Narrow), .InLuts(InLuts),
    .Shift(0), .OutBits(OutBits)
  ) u_scale (
    .clk_i, .en_i, .x_i(second_i ? x1 : x0), .m_i(second_i ? m1 : m0), .data_o(products)
  );

  always_ff @(posedge clk_i) begin
    if (en_i) second_q <= {second_q[1:0], second_i};
  end

  for (genvar i = 0; i < Lanes; i++) begin : g_lane
    logic [OutBits-1:0] product;
    assign product = products[i*OutBits +: OutBits];
    assign data_o[i*OutBits +: OutBits] = second_q[2] ? product << Shift1 : product << Shift0;
  end

endmodule
