// From the elements of a beat to the slots of an AXI4-Stream TDATA.
//
//   slot i of tdata_o = element i of data_i, extended by sign or zero; the other bits are 0
//
// Combinational.

module hwqat_axis_out #(
  parameter int unsigned Lanes  = 1,
  parameter int unsigned Bits   = 8,
  parameter bit          Signed = 1'b1,
  parameter int unsigned Slot   = 8,
  parameter int unsigned Tdata  = 8
) (
  input  logic [Lanes*Bits-1:0] data_i,
  output logic [Tdata-1:0]      tdata_o
);

  if (Bits > Slot || Lanes * Slot > Tdata) begin : g_check
    $error("hwqat_axis_out: an element must fit its slot and the slots must fit TDATA");
  end

  logic [Lanes*Slot-1:0] slots;

  hwqat_resize #(.Lanes(Lanes), .InBits(Bits), .Signed(Signed), .OutBits(Slot)) u_resize (
    .data_i, .data_o(slots)
  );
  assign tdata_o = Tdata'(slots);

endmodule
