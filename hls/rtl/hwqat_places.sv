// Places: the sum of four counters' strides, the last one the fastest.
//
//   place_o = first_i + i0*Stride0 + i1*Stride1 + i2*Stride2 + i3*Stride3, modulo 2**Bits
//
// Latency: 0; step_i takes the next.

module hwqat_places #(
  parameter int unsigned Bits    = 8,
  parameter int unsigned Count0  = 1,
  parameter int unsigned Stride0 = 0,
  parameter int unsigned Count1  = 1,
  parameter int unsigned Stride1 = 0,
  parameter int unsigned Count2  = 1,
  parameter int unsigned Stride2 = 0,
  parameter int unsigned Count3  = 1,
  parameter int unsigned Stride3 = 0
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            step_i,
  input  logic [Bits-1:0] first_i,
  output logic [Bits-1:0] place_o
);

  logic [Bits-1:0] place0, place1, place2, place3;
  logic            carry3, carry2, carry1, unused_carry0;

  hwqat_place #(.Bits(Bits), .Count(Count3), .Stride(Stride3)) u_place3 (
    .clk_i, .rst_ni, .step_i(step_i), .place_o(place3), .carry_o(carry3)
  );
  hwqat_place #(.Bits(Bits), .Count(Count2), .Stride(Stride2)) u_place2 (
    .clk_i, .rst_ni, .step_i(carry3), .place_o(place2), .carry_o(carry2)
  );
  hwqat_place #(.Bits(Bits), .Count(Count1), .Stride(Stride1)) u_place1 (
    .clk_i, .rst_ni, .step_i(carry2), .place_o(place1), .carry_o(carry1)
  );
  hwqat_place #(.Bits(Bits), .Count(Count0), .Stride(Stride0)) u_place0 (
    .clk_i, .rst_ni, .step_i(carry1), .place_o(place0), .carry_o(unused_carry0)
  );

  assign place_o = first_i + place0 + place1 + place2 + place3;

endmodule
