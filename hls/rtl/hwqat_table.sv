// Table: out[p] = the lane's entry in[p] - Lo. The entries stand in memories beside it (hwqat_lookup).
//
// Tables is 1, or Groups: then a lane's memory has a table for each channel group, one behind the other.
// Latency: 2 cycles: place, entry. Throughput: one beat a cycle.
// Cuts: valid and data; out_ready_i reaches in_ready_o through one gate.

module hwqat_table #(
  parameter int unsigned Groups   = 1,
  parameter int unsigned Pe       = 1,
  parameter int unsigned InBits   = 8,
  parameter bit          InSigned = 1'b1,
  parameter int          Lo       = 0,
  parameter int unsigned Entries  = 256,
  parameter int unsigned Tables   = 1,
  parameter int unsigned OutBits  = 8,
  localparam int unsigned Depth     = Tables * Entries,
  localparam int unsigned PlaceBits = (Depth > 1) ? $clog2(Depth) : 1
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,

  input  logic [Pe*InBits-1:0]    in_data_i,
  input  logic                    in_valid_i,
  output logic                    in_ready_o,

  output logic                    en_o,     // moves the memories' output
  output logic [Pe*PlaceBits-1:0] place_o,
  input  logic [Pe*OutBits-1:0]   entry_i,

  output logic [Pe*OutBits-1:0]   out_data_o,
  output logic                    out_valid_o,
  input  logic                    out_ready_i
);

  localparam int unsigned GroupBits = (Groups > 1) ? $clog2(Groups) : 1;
  localparam int unsigned SumBits   = ((PlaceBits > InBits) ? PlaceBits : InBits) + 2;

  if (Tables != 1 && Tables != Groups) begin : g_check
    $error("hwqat_table: Tables must be 1 or Groups");
  end

  logic unused_tree_valid, unused_tree_first;

  hwqat_pipe #(.Latency(1), .Folds(1)) u_pipe (
    .clk_i, .rst_ni,
    .valid_i(in_valid_i), .ready_o(in_ready_o),
    .en_o, .tree_valid_o(unused_tree_valid), .tree_first_o(unused_tree_first),
    .valid_o(out_valid_o), .ready_i(out_ready_i)
  );

  logic [SumBits-1:0] base;  // of the group's table

  if (Tables > 1) begin : g_base
    logic [GroupBits-1:0] unused_group;
    logic [SumBits-1:0]   base_q;
    logic                 group_last, step;

    assign step = in_valid_i & in_ready_o;
    assign base = base_q;
    hwqat_counter #(.Count(Groups)) u_group (
      .clk_i, .rst_ni, .step_i(step), .count_o(unused_group), .last_o(group_last)
    );
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        base_q <= '0;
      end else if (step) begin
        base_q <= group_last ? '0 : base_q + SumBits'(Entries);
      end
    end
  end else begin : g_one
    assign base = '0;
  end

  for (genvar p = 0; p < Pe; p++) begin : g_pe
    logic [InBits-1:0]    x;
    logic [SumBits-1:0]   place;
    logic [PlaceBits-1:0] place_q;
    logic                 unused_high;

    assign x           = in_data_i[p*InBits +: InBits];
    assign place       = SumBits'($signed({InSigned & x[InBits-1], x})) - SumBits'(Lo) + base;
    assign unused_high = ^place[SumBits-1:PlaceBits];

    always_ff @(posedge clk_i) begin
      if (en_o) place_q <= place[PlaceBits-1:0];
    end
    assign place_o[p*PlaceBits +: PlaceBits] = place_q;
  end

  assign out_data_o = entry_i;

endmodule
