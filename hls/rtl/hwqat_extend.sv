// Extends every element of a beat to a wider container, by sign or by zero.
//
//   element i of data_o = element i of data_i
//
// Combinational.

module hwqat_extend #(
  parameter int unsigned Lanes   = 1,
  parameter int unsigned InBits  = 8,
  parameter bit          Signed  = 1'b1,
  parameter int unsigned OutBits = 8
) (
  input  logic [Lanes*InBits-1:0]  data_i,
  output logic [Lanes*OutBits-1:0] data_o
);

  if (OutBits < InBits) begin : g_check
    $error("hwqat_extend: OutBits must be at least InBits");
  end

  for (genvar i = 0; i < Lanes; i++) begin : g_lane
    assign data_o[i*OutBits +: OutBits] =
        OutBits'($signed({Signed & data_i[(i+1)*InBits-1], data_i[i*InBits +: InBits]}));
  end

endmodule
