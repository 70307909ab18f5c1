// Global pool: the sum, or the largest, of each channel over a whole image.
//
//   out[g][p] = sum, or max, over the Pixels pixels of  x[pixel][g][p]
//
// One word of Pe results for each of the Groups channel groups. A group's is read while the group before it is worked
// on, so that a cycle holds a reduction and no access to memory before it.
// Latency: 1 cycle from the last pixel's beat of a group.
// Throughput: one input beat a cycle: Pixels * Groups cycles a frame.
// Cuts: valid and data; out_ready_i reaches in_ready_o through one gate.

module hwqat_global_pool #(
  parameter bit          Max      = 1'b0,
  parameter int unsigned Pixels   = 1,
  parameter int unsigned Groups   = 1,
  parameter int unsigned Pe       = 1,
  parameter int unsigned InBits   = 8,
  parameter bit          InSigned = 1'b1,
  parameter int unsigned OutBits  = 8
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,

  input  logic [Pe*InBits-1:0]  in_data_i,
  input  logic                  in_valid_i,
  output logic                  in_ready_o,

  output logic [Pe*OutBits-1:0] out_data_o,
  output logic                  out_valid_o,
  input  logic                  out_ready_i
);

  if (Pixels < 1 || Groups < 1 || Pe < 1) begin : g_check
    $error("hwqat_global_pool: Pixels, Groups and Pe must be at least 1");
  end

  localparam int unsigned GroupBits = (Groups > 1) ? $clog2(Groups) : 1;
  localparam int unsigned PixelBits = (Pixels > 1) ? $clog2(Pixels) : 1;

  logic [Pe*OutBits-1:0] x, so_far_q, next, out_data_q;
  logic [GroupBits-1:0]  group;
  logic [PixelBits-1:0]  pixel;
  logic                  group_last, pixel_last, step, out_valid_q;

  assign in_ready_o  = ~out_valid_q | out_ready_i;
  assign out_data_o  = out_data_q;
  assign out_valid_o = out_valid_q;
  assign step        = in_valid_i & in_ready_o;

  hwqat_counter #(.Count(Groups)) u_group (
    .clk_i, .rst_ni, .step_i(step), .count_o(group), .last_o(group_last)
  );
  hwqat_counter #(.Count(Pixels)) u_pixel (
    .clk_i, .rst_ni, .step_i(step & group_last), .count_o(pixel), .last_o(pixel_last)
  );

  hwqat_resize #(.Lanes(Pe), .InBits(InBits), .Signed(InSigned), .OutBits(OutBits)) u_resize (
    .data_i(in_data_i), .data_o(x)
  );

  for (genvar p = 0; p < Pe; p++) begin : g_pe
    logic [OutBits-1:0] reduced;
    hwqat_reduce #(.Bits(OutBits), .Signed(InSigned), .Max(Max)) u_reduce (
      .a_i(so_far_q[p*OutBits +: OutBits]), .b_i(x[p*OutBits +: OutBits]), .result_o(reduced)
    );
    assign next[p*OutBits +: OutBits] = (pixel == '0) ? x[p*OutBits +: OutBits] : reduced;
  end

  if (Groups > 1) begin : g_memory
    // No word is read in the cycle in which it is written.
    (* no_rw_check *) logic [Pe*OutBits-1:0] results [Groups];
    logic [GroupBits-1:0]                    group_next;

    assign group_next = group_last ? '0 : group + 1'b1;

    always_ff @(posedge clk_i) begin
      if (step) results[group] <= next;
    end

    always_ff @(posedge clk_i) begin
      if (step) so_far_q <= results[group_next];
    end
  end else begin : g_register
    logic unused_group;
    assign unused_group = ^group;
    assign so_far_q     = out_data_q;
  end

  always_ff @(posedge clk_i) begin
    if (step) out_data_q <= next;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      out_valid_q <= 1'b0;
    end else if (in_ready_o) begin
      out_valid_q <= in_valid_i & pixel_last;
    end
  end

endmodule
