// hwqat_fifo: order; room for exactly Depth beats; no lock: what is in it comes to its output.
//
// Two tops, for the two ways in which a FIFO is built. An escaped name with (* hierconn *) is the wire
// of that name inside dut: Yosys joins the two when it flattens the design.

module fifo_registers #(
  parameter int Width = 2
) (
  input logic             clk_i,
  input logic [Width-1:0] data_i,
  input logic             valid_i,
  input logic             ready_i
);

  logic             rst_n = 1'b0;
  logic             ready, valid;
  logic [Width-1:0] data;

  always_ff @(posedge clk_i) rst_n <= 1'b1;

  hwqat_fifo #(.Width(Width), .Depth(2)) dut (
    .clk_i, .rst_ni(rst_n), .data_i, .valid_i, .ready_o(ready), .data_o(data), .valid_o(valid), .ready_i
  );

  (* hierconn *) logic [Width-1:0] \dut.genblk1.g_registers.spare_q ;
  (* hierconn *) logic             \dut.genblk1.g_registers.full_q ;

  logic [2:0] held;
  assign held = 3'(valid) + 3'(\dut.genblk1.g_registers.full_q );

  order #(.Width(Width), .Places(2)) u_order (
    .clk_i, .rst_ni(rst_n), .push_i(valid_i & ready), .in_i(data_i), .valid_i(valid), .ready_i, .out_i(data),
    .held_i(held), .places_i({\dut.genblk1.g_registers.spare_q , data})
  );

  always @(posedge clk_i) begin
    if (rst_n) begin
      room:     assert (ready == (held != 2));
      progress: assert (valid == (held != 0));
    end
  end

endmodule

module fifo_memory #(
  parameter int Depth = 4,
  parameter int Width = 2
) (
  input logic             clk_i,
  input logic [Width-1:0] data_i,
  input logic             valid_i,
  input logic             ready_i
);

  localparam int Words    = Depth - 1;
  localparam int AddrBits = $clog2(Words);
  localparam int UseBits  = $clog2(Words + 1);
  localparam int HeldBits = $clog2(Depth + 2) + 1;

  logic             rst_n = 1'b0;
  logic             ready, valid;
  logic [Width-1:0] data;

  always_ff @(posedge clk_i) rst_n <= 1'b1;

  hwqat_fifo #(.Width(Width), .Depth(Depth)) dut (
    .clk_i, .rst_ni(rst_n), .data_i, .valid_i, .ready_o(ready), .data_o(data), .valid_o(valid), .ready_i
  );

  (* hierconn *) logic [AddrBits-1:0] \dut.genblk1.g_memory.read_q , \dut.genblk1.g_memory.write_q ;
  (* hierconn *) logic [UseBits-1:0]  \dut.genblk1.g_memory.used_q ;
  (* hierconn *) logic [Width-1:0]    \dut.genblk1.g_memory.mem[0] , \dut.genblk1.g_memory.mem[1] ;
`ifdef DEPTH_4
  (* hierconn *) logic [Width-1:0]    \dut.genblk1.g_memory.mem[2] ;
`elsif DEPTH_5
  (* hierconn *) logic [Width-1:0]    \dut.genblk1.g_memory.mem[2] , \dut.genblk1.g_memory.mem[3] ;
`endif

  logic [Words*Width-1:0] words;
  assign words = {
`ifdef DEPTH_4
    \dut.genblk1.g_memory.mem[2] ,
`elsif DEPTH_5
    \dut.genblk1.g_memory.mem[3] , \dut.genblk1.g_memory.mem[2] ,
`endif
    \dut.genblk1.g_memory.mem[1] , \dut.genblk1.g_memory.mem[0]
  };

  // The output register, where it is in use, then the words from the reading end on.
  logic [HeldBits-1:0]    held;
  logic [Depth*Width-1:0] places;

  assign held = HeldBits'(\dut.genblk1.g_memory.used_q ) + HeldBits'(valid);

  always_comb begin
    places = '0;
    for (int i = 0; i < Words; i++) begin
      places[(i+32'(valid))*Width +: Width] = words[((32'(\dut.genblk1.g_memory.read_q )+i) % Words)*Width +: Width];
    end
    if (valid) places[Width-1:0] = data;
  end

  order #(.Width(Width), .Places(Depth)) u_order (
    .clk_i, .rst_ni(rst_n), .push_i(valid_i & ready), .in_i(data_i), .valid_i(valid), .ready_i, .out_i(data),
    .held_i(held), .places_i(places)
  );

  logic waited_q = 1'b0;  // a beat was in the memory before the last edge, and the output was empty
  always_ff @(posedge clk_i) waited_q <= rst_n & (held != 0) & ~valid;

  always @(posedge clk_i) begin
    if (rst_n) begin
      // A beat is refused only by a full memory; the output register fills in the next cycle.
      room:     assert (ready || held == Depth || (held == Words && !valid));
      progress: assert (valid || !waited_q);
      in_range: assert (\dut.genblk1.g_memory.read_q < Words && \dut.genblk1.g_memory.write_q < Words);
      ring:     assert ((32'(\dut.genblk1.g_memory.read_q ) + \dut.genblk1.g_memory.used_q ) % Words
                        == 32'(\dut.genblk1.g_memory.write_q ));
    end
  end

endmodule
