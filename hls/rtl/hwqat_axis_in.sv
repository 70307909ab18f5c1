// From the slots of an AXI4-Stream TDATA to the elements of a beat.
//
//   element i of data_o = low bits of slot i of tdata_i; the other bits are not read
//
// Combinational.

module hwqat_axis_in #(
  parameter int unsigned Lanes = 1,
  parameter int unsigned Bits  = 8,
  parameter int unsigned Slot  = 8,
  parameter int unsigned Tdata = 8
) (
  input  logic [Tdata-1:0]      tdata_i,
  output logic [Lanes*Bits-1:0] data_o
);

  if (Bits > Slot || Lanes * Slot > Tdata) begin : g_check
    $error("hwqat_axis_in: an element must fit its slot and the slots must fit TDATA");
  end

  logic unused_bits;
  assign unused_bits = ^tdata_i;

  for (genvar i = 0; i < Lanes; i++) begin : g_lane
    assign data_o[i*Bits +: Bits] = tdata_i[i*Slot +: Bits];
  end

endmodule
