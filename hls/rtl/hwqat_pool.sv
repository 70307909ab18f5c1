// Pool: the sum, or the largest, of a window, for Pe channels at once.
//
//   out[p] = sum, or max, over folds f and taps t of  x[f][t][p]
//
// Latency: 2 + $clog2(Taps) cycles from the last input beat.
// Throughput: one input beat a cycle: Folds cycles an output beat.
// Cuts: valid and data; out_ready_i reaches in_ready_o through one gate.

module hwqat_pool #(
  parameter bit          Max      = 1'b0,
  parameter int unsigned Folds    = 1,
  parameter int unsigned Pe       = 1,
  parameter int unsigned Taps     = 1,
  parameter int unsigned InBits   = 8,
  parameter bit          InSigned = 1'b1,
  parameter int unsigned OutBits  = 8
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,

  input  logic [Taps*Pe*InBits-1:0] in_data_i,
  input  logic                      in_valid_i,
  output logic                      in_ready_o,

  output logic [Pe*OutBits-1:0]     out_data_o,
  output logic                      out_valid_o,
  input  logic                      out_ready_i
);

  if (Folds < 1 || Pe < 1 || Taps < 1) begin : g_check
    $error("hwqat_pool: Folds, Pe and Taps must be at least 1");
  end

  localparam int unsigned TreeLevels = (Taps > 1) ? $clog2(Taps) : 0;

  logic en, tree_valid, tree_first;
  logic [Taps*Pe*InBits-1:0] x_q;

  hwqat_pipe #(.Latency(1 + TreeLevels), .Folds(Folds)) u_pipe (
    .clk_i, .rst_ni,
    .valid_i(in_valid_i), .ready_o(in_ready_o),
    .en_o(en), .tree_valid_o(tree_valid), .tree_first_o(tree_first),
    .valid_o(out_valid_o), .ready_i(out_ready_i)
  );

  always_ff @(posedge clk_i) begin
    if (en) x_q <= in_data_i;
  end

  for (genvar p = 0; p < Pe; p++) begin : g_pe
    logic [Taps*InBits-1:0]    x_channel;
    logic [OutBits-1:0]        window;
    logic [OutBits-1:0]        result_d, result_q;

    for (genvar t = 0; t < Taps; t++) begin : g_tap
      assign x_channel[t*InBits +: InBits] = x_q[(t*Pe+p)*InBits +: InBits];
    end

    hwqat_tree #(
      .Terms(Taps), .InBits(InBits), .Signed(InSigned), .Max(Max), .OutBits(OutBits)
    ) u_tree (
      .clk_i, .en_i(en), .terms_i(x_channel), .result_o(window)
    );
    hwqat_reduce #(.Bits(OutBits), .Signed(InSigned), .Max(Max)) u_reduce (
      .a_i(result_q), .b_i(window), .result_o(result_d)
    );

    always_ff @(posedge clk_i) begin
      if (en & tree_valid) result_q <= tree_first ? window : result_d;
    end

    assign out_data_o[p*OutBits +: OutBits] = result_q;
  end

endmodule
