// Brings every element of a beat to another width: extended by sign or zero, or cut to its low bits.
//
//   element i of data_o = element i of data_i, where OutBits hold it
//
// A container may be wider than its numbers need: cutting it changes no number that range analysis
// found to fit. Combinational.

module hwqat_resize #(
  parameter int unsigned Lanes   = 1,
  parameter int unsigned InBits  = 8,
  parameter bit          Signed  = 1'b1,
  parameter int unsigned OutBits = 8
) (
  input  logic [Lanes*InBits-1:0]  data_i,
  output logic [Lanes*OutBits-1:0] data_o
);

  logic unused_high_bits;
  assign unused_high_bits = ^data_i;

  for (genvar i = 0; i < Lanes; i++) begin : g_lane
    assign data_o[i*OutBits +: OutBits] =
        OutBits'($signed({Signed & data_i[(i+1)*InBits-1], data_i[i*InBits +: InBits]}));
  end

endmodule
