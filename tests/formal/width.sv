// hwqat_width: order, element by element; no lock. Two tops: to fewer elements a beat, and to more.

module width_split #(
  parameter int Parts = 3,
  parameter int Width = 2
) (
  input logic                   clk_i,
  input logic [Parts*Width-1:0] data_i,
  input logic                   valid_i,
  input logic                   ready_i
);

  localparam int LeftBits = $clog2(Parts + 1);
  localparam int HeldBits = $clog2(2 * Parts + 1) + 1;

  logic             rst_n = 1'b0;
  logic             ready, valid;
  logic [Width-1:0] data;

  always_ff @(posedge clk_i) rst_n <= 1'b1;

  hwqat_width #(.LanesIn(Parts), .LanesOut(1), .Bits(Width)) dut (
    .clk_i, .rst_ni(rst_n), .in_data_i(data_i), .in_valid_i(valid_i), .in_ready_o(ready),
    .out_data_o(data), .out_valid_o(valid), .out_ready_i(ready_i)
  );

  (* hierconn *) logic [LeftBits-1:0]    \dut.g_split.left_q ;
  (* hierconn *) logic [Parts*Width-1:0] \dut.g_split.data_q ;

  order #(.Width(Width), .InParts(Parts), .Places(Parts)) u_order (
    .clk_i, .rst_ni(rst_n), .push_i(valid_i & ready), .in_i(data_i), .valid_i(valid), .ready_i, .out_i(data),
    .held_i(HeldBits'(\dut.g_split.left_q )), .places_i(\dut.g_split.data_q )
  );

  always @(posedge clk_i) begin
    if (rst_n) begin
      // Its last part leaves in the cycle in which the next beat comes.
      room:     assert (ready == (\dut.g_split.left_q == 0 || (\dut.g_split.left_q == 1 && ready_i)));
      progress: assert (valid == (\dut.g_split.left_q != 0));
    end
  end

endmodule

module width_gather #(
  parameter int Parts = 3,
  parameter int Width = 2
) (
  input logic             clk_i,
  input logic [Width-1:0] data_i,
  input logic             valid_i,
  input logic             ready_i
);

  localparam int HaveBits = $clog2(Parts + 1);
  localparam int HeldBits = $clog2(Parts + 2) + 1;

  logic                   rst_n = 1'b0;
  logic                   ready, valid;
  logic [Parts*Width-1:0] data;

  always_ff @(posedge clk_i) rst_n <= 1'b1;

  hwqat_width #(.LanesIn(1), .LanesOut(Parts), .Bits(Width)) dut (
    .clk_i, .rst_ni(rst_n), .in_data_i(data_i), .in_valid_i(valid_i), .in_ready_o(ready),
    .out_data_o(data), .out_valid_o(valid), .out_ready_i(ready_i)
  );

  (* hierconn *) logic [HaveBits-1:0] \dut.genblk2.g_gather.have_q ;

  // The parts that are here stand at the top.
  order #(.Width(Width), .OutParts(Parts), .Places(Parts)) u_order (
    .clk_i, .rst_ni(rst_n), .push_i(valid_i & ready), .in_i(data_i), .valid_i(valid), .ready_i, .out_i(data),
    .held_i(HeldBits'(\dut.genblk2.g_gather.have_q )),
    .places_i(data >> ((Parts - 32'(\dut.genblk2.g_gather.have_q )) * Width))
  );

  always @(posedge clk_i) begin
    if (rst_n) begin
      room:     assert (ready == (\dut.genblk2.g_gather.have_q != Parts || ready_i));
      progress: assert (valid == (\dut.genblk2.g_gather.have_q == Parts));
    end
  end

endmodule
