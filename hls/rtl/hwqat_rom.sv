// ROM with a registered output, filled from a hex file (one word a line, element 0 in the low bits).
//
//   data_o = words[addr_i] of the last cycle in which en_i was high
//
// Latency: 1 cycle.

module hwqat_rom #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 2,
  parameter              File  = "",
  localparam int unsigned AddrBits = (Depth > 1) ? $clog2(Depth) : 1
) (
  input  logic                clk_i,
  input  logic                en_i,
  input  logic [AddrBits-1:0] addr_i,
  output logic [Width-1:0]    data_o
);

  logic [Width-1:0] words [Depth];
  if (File != "") begin : g_file
    initial $readmemh(File, words);
  end

  always_ff @(posedge clk_i) begin
    if (en_i) data_o <= words[addr_i];
  end

endmodule
