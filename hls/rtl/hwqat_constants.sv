// Constants of requantise: one a channel, or one for the whole tensor.
//
//   data_o[lane] = constant of channel group_i * Lanes + lane
//
// Latency: 1 cycle.

module hwqat_constants #(
  parameter int unsigned Lanes     = 1,
  parameter int unsigned Bits      = 16,
  parameter int unsigned Groups    = 1,
  parameter bit          PerTensor = 1'b0,
  parameter              File      = "",
  localparam int unsigned GroupBits = (Groups > 1) ? $clog2(Groups) : 1
) (
  input  logic                  clk_i,
  input  logic                  en_i,
  input  logic [GroupBits-1:0]  group_i,
  output logic [Lanes*Bits-1:0] data_o
);

  if (PerTensor) begin : g_one
    logic [Bits-1:0] constant;
    logic            unused_group;

    assign unused_group = ^group_i;
    hwqat_rom #(.Width(Bits), .Depth(1), .File(File)) u_rom (
      .clk_i, .en_i, .addr_i(1'b0), .data_o(constant)
    );
    assign data_o = {Lanes{constant}};
  end else begin : g_each
    hwqat_rom #(.Width(Lanes * Bits), .Depth(Groups), .File(File)) u_rom (
      .clk_i, .en_i, .addr_i(group_i), .data_o
    );
  end

endmodule
