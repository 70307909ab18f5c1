// Multiply: products of two streams, Pe lanes.
//
//   out[p] = (x[p] - Zero0) * (g[p] - Zero1)
//
// Input 1 has a beat for each of input 0; or (PerChannel) one for each of the Groups of a frame, which is taken with the
// first of its Pixels and kept; or (PerPixel) one element for each pixel. in_data_i packs input 0 in the low bits.
// Latency: 3 cycles: operands, product, result. Throughput: one beat a cycle.
// Cuts: valid and data; out_ready_i reaches in_ready_o through one gate, and each in_ready_o waits for the other input's
// valid where both are taken (never for its own).

module hwqat_multiply #(
  parameter int unsigned Pixels     = 1,
  parameter int unsigned Groups     = 1,
  parameter int unsigned Pe         = 1,
  parameter bit          PerChannel = 1'b0,
  parameter bit          PerPixel   = 1'b0,
  parameter int unsigned In0Bits    = 8,
  parameter bit          In0Signed  = 1'b1,
  parameter int          Zero0      = 0,
  parameter int unsigned In1Bits    = 8,
  parameter bit          In1Signed  = 1'b1,
  parameter int          Zero1      = 0,
  parameter int unsigned OutBits    = 16,
  localparam int unsigned In1Lanes  = PerPixel ? 1 : Pe
) (
  input  logic                                   clk_i,
  input  logic                                   rst_ni,

  input  logic [Pe*In0Bits+In1Lanes*In1Bits-1:0] in_data_i,
  input  logic [1:0]                             in_valid_i,
  output logic [1:0]                             in_ready_o,

  output logic [Pe*OutBits-1:0]                  out_data_o,
  output logic                                   out_valid_o,
  input  logic                                   out_ready_i
);

  localparam int unsigned GateBits = In1Lanes * In1Bits;
  localparam int unsigned ABits    = In0Bits + 2;  // signed, with room for a zero point
  localparam int unsigned BBits    = In1Bits + 2;

  logic                valid, ready, en, unused_tree_first, tree_valid, fresh;
  logic [GateBits-1:0] taken, gate;

  hwqat_pipe #(.Latency(2), .Folds(1)) u_pipe (
    .clk_i, .rst_ni,
    .valid_i(valid), .ready_o(ready),
    .en_o(en), .tree_valid_o(tree_valid), .tree_first_o(unused_tree_first),
    .valid_o(out_valid_o), .ready_i(out_ready_i)
  );

  assign valid      = in_valid_i[0] & (in_valid_i[1] | ~fresh);
  assign in_ready_o = {ready & fresh & in_valid_i[0], ready & (in_valid_i[1] | ~fresh)};
  assign taken      = in_data_i[Pe*In0Bits +: GateBits];

  if (PerChannel || PerPixel) begin : g_gate
    localparam int unsigned GroupBits = (Groups > 1) ? $clog2(Groups) : 1;
    localparam int unsigned PixelBits = (Pixels > 1) ? $clog2(Pixels) : 1;

    logic [GroupBits-1:0] group;
    logic [PixelBits-1:0] pixel;
    logic [GateBits-1:0]  kept_q;
    logic                 step, group_last, unused_pixel_last, unused_place;

    assign step = valid & ready;

    hwqat_counter #(.Count(Groups)) u_group (
      .clk_i, .rst_ni, .step_i(step), .count_o(group), .last_o(group_last)
    );
    hwqat_counter #(.Count(Pixels)) u_pixel (
      .clk_i, .rst_ni, .step_i(step & group_last), .count_o(pixel), .last_o(unused_pixel_last)
    );
    assign unused_place = ^{group, pixel};
    assign fresh        = PerChannel ? pixel == '0 : group == '0;
    assign gate         = fresh ? taken : kept_q;

    if (PerChannel && Groups > 1) begin : g_memory
      // The next group's word is read while this one is worked on; none in the cycle in which it is written.
      (* no_rw_check *) logic [GateBits-1:0] kept [Groups];
      logic [GroupBits-1:0] group_next;
      assign group_next = group_last ? '0 : group + 1'b1;
      always_ff @(posedge clk_i) begin
        if (step & fresh) kept[group] <= taken;
      end
      always_ff @(posedge clk_i) begin
        if (step) kept_q <= kept[group_next];
      end
    end else begin : g_register
      always_ff @(posedge clk_i) begin
        if (step & fresh) kept_q <= taken;
      end
    end
  end else begin : g_each
    assign fresh = 1'b1;
    assign gate  = taken;
  end

  for (genvar p = 0; p < Pe; p++) begin : g_pe
    localparam int unsigned Lane = PerPixel ? 0 : p;
    logic [In0Bits-1:0]      x;
    logic [In1Bits-1:0]      g;
    logic signed [ABits-1:0] a_q;
    logic signed [BBits-1:0] b_q;
    logic signed [ABits+BBits-1:0] product_q;
    logic [OutBits-1:0]      result_q;
    logic                    unused_product;

    assign unused_product = ^product_q;  // its top bits, where the range of a result is narrower
    assign x = in_data_i[p*In0Bits +: In0Bits];
    assign g = gate[Lane*In1Bits +: In1Bits];

    always_ff @(posedge clk_i) begin
      if (en) begin
        a_q       <= ABits'($signed({In0Signed & x[In0Bits-1], x})) - ABits'(Zero0);
        b_q       <= BBits'($signed({In1Signed & g[In1Bits-1], g})) - BBits'(Zero1);
        product_q <= a_q * b_q;
        if (tree_valid) result_q <= OutBits'(product_q);
      end
    end
    assign out_data_o[p*OutBits +: OutBits] = result_q;
  end

endmodule
