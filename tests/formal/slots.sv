// hwqat_axis_in, hwqat_axis_out, hwqat_resize: combinational; each element where it belongs, its value kept.

module slots #(
  parameter int Lanes  = 3,
  parameter int Bits   = 5,
  parameter bit Signed = 1'b1,
  parameter int Slot   = 8,
  parameter int Tdata  = 32
) (
  input logic                  clk_i,
  input logic [Lanes*Bits-1:0] data_i,
  input logic [Tdata-1:0]      noise_i
);

  logic [Tdata-1:0]        tdata;
  logic [Lanes*Bits-1:0]   back, through_noise;
  logic [Lanes*Slot-1:0]   wide;
  logic [Lanes*Bits-1:0]   narrow;

  hwqat_axis_out #(.Lanes(Lanes), .Bits(Bits), .Signed(Signed), .Slot(Slot), .Tdata(Tdata)) u_out (
    .data_i, .tdata_o(tdata)
  );
  hwqat_axis_in #(.Lanes(Lanes), .Bits(Bits), .Slot(Slot), .Tdata(Tdata)) u_in (
    .tdata_i(tdata), .data_o(back)
  );
  hwqat_axis_in #(.Lanes(Lanes), .Bits(Bits), .Slot(Slot), .Tdata(Tdata)) u_noise (
    .tdata_i(noise_i), .data_o(through_noise)
  );
  hwqat_resize #(.Lanes(Lanes), .InBits(Bits), .Signed(Signed), .OutBits(Slot)) u_wide (
    .data_i, .data_o(wide)
  );
  hwqat_resize #(.Lanes(Lanes), .InBits(Slot), .Signed(Signed), .OutBits(Bits)) u_narrow (
    .data_i(wide), .data_o(narrow)
  );

  // Of a slot the low bits count; of a value all bits, by sign or zero.
  logic [Lanes*Bits-1:0] low;
  logic [Lanes*Slot-1:0] extended;

  for (genvar i = 0; i < Lanes; i++) begin : g_lane
    assign low[i*Bits +: Bits]      = noise_i[i*Slot +: Bits];
    assign extended[i*Slot +: Slot] = {{Slot-Bits{Signed & data_i[(i+1)*Bits-1]}}, data_i[i*Bits +: Bits]};
  end

  always @(posedge clk_i) begin
    axis_out: assert (tdata == Tdata'(extended));
    axis_in:  assert (through_noise == low);
    there_and_back: assert (back == data_i);
    widened:  assert (wide == extended);
    narrowed: assert (narrow == data_i);
    any:      cover (data_i != '0);
  end

endmodule
