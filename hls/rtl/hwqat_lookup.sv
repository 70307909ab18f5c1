// ROM that Readers lanes read at once, each with a registered output, filled from a hex file (one word a line).
//
//   data_o[i] = words[addr_i[i]] of the last cycle in which en_i was high
//
// Two readers are the two ports of a block RAM.
// Latency: 1 cycle.

module hwqat_lookup #(
  parameter int unsigned Readers = 1,
  parameter int unsigned Width   = 8,
  parameter int unsigned Depth   = 2,
  parameter              File    = "",
  localparam int unsigned AddrBits = (Depth > 1) ? $clog2(Depth) : 1
) (
  input  logic                        clk_i,
  input  logic                        en_i,
  input  logic [Readers*AddrBits-1:0] addr_i,
  output logic [Readers*Width-1:0]    data_o
);

  logic [Width-1:0] words [Depth];
  if (File != "") begin : g_file
    initial $readmemh(File, words);
  end

  for (genvar i = 0; i < Readers; i++) begin : g_reader
    always_ff @(posedge clk_i) begin
      if (en_i) data_o[i*Width +: Width] <= words[addr_i[i*AddrBits +: AddrBits]];
    end
  end

endmodule
