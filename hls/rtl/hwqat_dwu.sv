// Depthwise unit: Pe channels at once, each with its own filter and accumulator.
//
//   for each group:  out[p] = sum over folds f and taps t of  x[f][t][p] * w[group * Folds + f][t][p]
//
// Latency: 4 + $clog2(Taps) cycles from the last input beat.
// Throughput: one input beat a cycle: Groups * Folds cycles a pixel.
// Cuts: valid and data; out_ready_i reaches in_ready_o through one gate.

module hwqat_dwu #(
  parameter int unsigned Groups     = 1,
  parameter int unsigned Folds      = 1,
  parameter int unsigned Pe         = 1,
  parameter int unsigned Taps       = 1,
  parameter int unsigned InBits     = 8,
  parameter bit          InSigned   = 1'b1,
  parameter int unsigned WeightBits = 8,
  parameter int unsigned AccBits    = 24,
  parameter              WeightFile = ""
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,

  input  logic [Taps*Pe*InBits-1:0] in_data_i,
  input  logic                      in_valid_i,
  output logic                      in_ready_o,

  output logic [Pe*AccBits-1:0]     out_data_o,
  output logic                      out_valid_o,
  input  logic                      out_ready_i
);

  if (Groups < 1 || Folds < 1 || Pe < 1 || Taps < 1) begin : g_check
    $error("hwqat_dwu: Groups, Folds, Pe and Taps must be at least 1");
  end
  if (WeightBits < 1 || WeightBits > 16) begin : g_check_weights
    $error("hwqat_dwu: WeightBits must be 1..16");
  end

  localparam int unsigned Words      = Groups * Folds;
  localparam int unsigned WordBits   = (Words > 1) ? $clog2(Words) : 1;
  localparam int unsigned TreeLevels = (Taps > 1) ? $clog2(Taps) : 0;

  logic en, tree_valid, tree_first;

  hwqat_pipe #(.Latency(3 + TreeLevels), .Folds(Folds)) u_pipe (
    .clk_i, .rst_ni,
    .valid_i(in_valid_i), .ready_o(in_ready_o),
    .en_o(en), .tree_valid_o(tree_valid), .tree_first_o(tree_first),
    .valid_o(out_valid_o), .ready_i(out_ready_i)
  );

  // Weights of the beat: the ROM's register is the pipeline's first, beside that of x.
  logic [WordBits-1:0]           word;
  logic                          unused_word_last;
  logic [Taps*Pe*WeightBits-1:0] w;
  logic [Taps*Pe*InBits-1:0]     x_q;

  hwqat_counter #(.Count(Words)) u_word (
    .clk_i, .rst_ni, .step_i(in_valid_i & in_ready_o), .count_o(word), .last_o(unused_word_last)
  );
  // By itself a ROM is mapped word by word; among other logic Yosys takes up to seven LUTs a bit for 128 words.
  (* keep_hierarchy *)
  hwqat_rom #(.Width(Taps * Pe * WeightBits), .Depth(Words), .File(WeightFile)) u_weight (
    .clk_i, .en_i(en), .addr_i(word), .data_o(w)
  );

  always_ff @(posedge clk_i) begin
    if (en) x_q <= in_data_i;
  end

  for (genvar p = 0; p < Pe; p++) begin : g_pe
    logic [Taps*InBits-1:0]     x_channel;
    logic [Taps*WeightBits-1:0] w_channel;

    for (genvar t = 0; t < Taps; t++) begin : g_tap
      assign x_channel[t*InBits +: InBits]         = x_q[(t*Pe+p)*InBits +: InBits];
      assign w_channel[t*WeightBits +: WeightBits] = w[(t*Pe+p)*WeightBits +: WeightBits];
    end

    hwqat_dot #(
      .Terms(Taps), .InBits(InBits), .InSigned(InSigned), .WeightBits(WeightBits), .AccBits(AccBits)
    ) u_dot (
      .clk_i, .en_i(en),
      .x_i(x_channel), .w_i(w_channel),
      .valid_i(tree_valid), .first_i(tree_first),
      .acc_o(out_data_o[p*AccBits +: AccBits])
    );
  end

endmodule
