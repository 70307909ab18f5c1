// Matrix-vector unit: Pe accumulators, each adding Simd products a cycle.
//
//   for each group and repeat:  out[p] = sum over folds f and terms i of  x[f][i] * w[word][p][i]
//   with word = (group * Repeats + repeat) * Folds + f
//
// Every group of Folds input beats serves Repeats outputs; the unit keeps it (hwqat_replay). Packed outputs,
// which share their x, share multipliers (hwqat_packed).
// Latency: 4 + $clog2(Simd) cycles from the last input beat, 2 more with Repeats > 1.
// Throughput: one beat of multiplications a cycle: Groups * Repeats * Folds cycles a pixel.
// Cuts: valid and data; ready_i reaches in_ready_o through one gate where Repeats is 1.

module hwqat_mvu #(
  parameter int unsigned Groups      = 1,
  parameter int unsigned Repeats     = 1,
  parameter int unsigned Folds       = 1,
  parameter int unsigned Pe          = 1,
  parameter int unsigned Simd        = 1,
  parameter int unsigned InBits      = 8,
  parameter bit          InSigned    = 1'b1,
  parameter int unsigned WeightBits  = 8,
  parameter int unsigned AccBits     = 24,
  parameter int unsigned Packed      = 1,
  parameter int unsigned Pitch       = 18,
  parameter int unsigned PackedTerms = 1,
  parameter              WeightFile  = ""
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,

  input  logic [Simd*InBits-1:0] in_data_i,
  input  logic                   in_valid_i,
  output logic                   in_ready_o,

  output logic [Pe*AccBits-1:0]  out_data_o,
  output logic                   out_valid_o,
  input  logic                   out_ready_i
);

  if (Groups < 1 || Repeats < 1 || Folds < 1 || Pe < 1 || Simd < 1) begin : g_check
    $error("hwqat_mvu: Groups, Repeats, Folds, Pe and Simd must be at least 1");
  end
  if (WeightBits < 1 || WeightBits > 16) begin : g_check_weights
    $error("hwqat_mvu: WeightBits must be 1..16");
  end

  localparam int unsigned Words      = Groups * Repeats * Folds;
  localparam int unsigned WordBits   = (Words > 1) ? $clog2(Words) : 1;
  localparam int unsigned TreeLevels = (Simd > 1) ? $clog2(Simd) : 0;

  logic [Simd*InBits-1:0] x, x_q;
  logic                   x_valid, x_ready;

  if (Repeats > 1) begin : g_replay
    hwqat_replay #(.Width(Simd * InBits), .Folds(Folds), .Repeats(Repeats)) u_replay (
      .clk_i, .rst_ni,
      .data_i(in_data_i), .valid_i(in_valid_i), .ready_o(in_ready_o),
      .data_o(x), .valid_o(x_valid), .ready_i(x_ready)
    );
  end else begin : g_once
    assign x          = in_data_i;
    assign x_valid    = in_valid_i;
    assign in_ready_o = x_ready;
  end

  logic en, tree_valid, tree_first;

  hwqat_pipe #(.Latency(3 + TreeLevels), .Folds(Folds)) u_pipe (
    .clk_i, .rst_ni,
    .valid_i(x_valid), .ready_o(x_ready),
    .en_o(en), .tree_valid_o(tree_valid), .tree_first_o(tree_first),
    .valid_o(out_valid_o), .ready_i(out_ready_i)
  );

  // Weights of the beat: the ROM's register is the pipeline's first, beside that of x.
  logic [WordBits-1:0]           word;
  logic                          unused_word_last;
  logic [Pe*Simd*WeightBits-1:0] w;

  hwqat_counter #(.Count(Words)) u_word (
    .clk_i, .rst_ni, .step_i(x_valid & x_ready), .count_o(word), .last_o(unused_word_last)
  );
  // By itself a ROM is mapped word by word; among other logic Yosys takes up to seven LUTs a bit for 128 words.
  (* keep_hierarchy *)
  hwqat_rom #(.Width(Pe * Simd * WeightBits), .Depth(Words), .File(WeightFile)) u_weight (
    .clk_i, .en_i(en), .addr_i(word), .data_o(w)
  );

  always_ff @(posedge clk_i) begin
    if (en) x_q <= x;
  end

  for (genvar p = 0; p < Pe; p += Packed) begin : g_pe
    localparam int unsigned Outputs = (Pe - p < Packed) ? Pe - p : Packed;

    hwqat_dot #(
      .Outputs(Outputs), .Terms(Simd), .InBits(InBits), .InSigned(InSigned), .WeightBits(WeightBits), .AccBits(AccBits),
      .Pitch(Pitch), .PackedTerms(PackedTerms)
    ) u_dot (
      .clk_i, .en_i(en),
      .x_i(x_q), .w_i(w[p*Simd*WeightBits +: Outputs*Simd*WeightBits]),
      .valid_i(tree_valid), .first_i(tree_first),
      .acc_o(out_data_o[p*AccBits +: Outputs*AccBits])
    );
  end

endmodule
