// hwqat_pipe: the control of every block that computes. Order, no lock, and its marks fit the data.
//
// The data path here is the plainest that keeps everything: Latency registers and, for the accumulator,
// one that gathers the Folds beats of a result. Any other data path moves with the same three signals.

module pipe_control #(
  parameter int Latency = 3,
  parameter int Folds   = 2,
  parameter int Width   = 1
) (
  input logic             clk_i,
  input logic [Width-1:0] data_i,
  input logic             valid_i,
  input logic             ready_i
);

  localparam int FoldBits = (Folds > 1) ? $clog2(Folds) : 1;
  localparam int Places   = Latency + Folds;
  localparam int HeldBits = $clog2(Places + 2) + 1;

  logic rst_n = 1'b0;
  logic ready, valid, en, tree_valid, tree_first;

  always_ff @(posedge clk_i) rst_n <= 1'b1;

  hwqat_pipe #(.Latency(Latency), .Folds(Folds)) dut (
    .clk_i, .rst_ni(rst_n), .valid_i, .ready_o(ready), .en_o(en), .tree_valid_o(tree_valid), .tree_first_o(tree_first),
    .valid_o(valid), .ready_i
  );

  (* hierconn *) logic [Latency-1:0]  \dut.valid_q ;
  (* hierconn *) logic [FoldBits-1:0] \dut.fold ;

  logic [Latency*Width-1:0] tree_q;
  logic [Folds*Width-1:0]   result_q;
  logic [7:0]               have_q = '0;  // beats in the result: tree_first_o sets it to 1

  always_ff @(posedge clk_i) begin
    if (en) tree_q <= (Latency*Width)'({tree_q, data_i});
    if (en & tree_valid) begin
      have_q <= tree_first ? 8'd1 : have_q + 8'd1;
      result_q[(tree_first ? 0 : 32'(have_q))*Width +: Width] <= tree_q[(Latency-1)*Width +: Width];
    end
    if (!rst_n) have_q <= '0;
  end

  // The result's beats, then those on their way, the foremost first.
  logic [HeldBits-1:0]     held;
  logic [Places*Width-1:0] places;
  logic [7:0]              result_beats;

  assign result_beats = valid ? 8'(Folds) : 8'(\dut.fold );

  always_comb begin
    held   = HeldBits'(result_beats);
    places = (Places*Width)'(result_q);
    for (int i = Latency - 1; i >= 0; i--) begin
      if (\dut.valid_q [i]) begin
        places[held*Width +: Width] = tree_q[i*Width +: Width];
        held = held + 1'b1;
      end
    end
  end

  order #(.Width(Width), .OutParts(Folds), .Places(Places)) u_order (
    .clk_i, .rst_ni(rst_n), .push_i(valid_i & ready), .in_i(data_i), .valid_i(valid), .ready_i, .out_i(result_q),
    .held_i(held), .places_i(places)
  );

  always @(posedge clk_i) begin
    if (rst_n) begin
      room:      assert (ready == (!valid || ready_i));
      moves:     assert (en == ready);  // it stands still only while a result waits
      gathered:  assert (Folds == 1 || (valid ? \dut.fold == 0 && have_q == Folds
                                              : \dut.fold == 0 || have_q == 8'(\dut.fold )));
      in_range:  assert (Folds == 1 || \dut.fold < Folds);
      not_early: assert (!(en && tree_valid && tree_first) || \dut.fold == 0);
    end
  end

endmodule
