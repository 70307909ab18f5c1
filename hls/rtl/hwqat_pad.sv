// Pad: rows and columns around an image, of one integer or of the pixels at its edge.
//
// Rows * Columns pixels leave, Groups beats each. NewRows and NewColumns have a bit for each row and column, the first
// lowest: where both are set, a pixel comes in (a frame's first beat comes in before its padding, and is held until it
// leaves: no beat leaves before its frame has begun); elsewhere Zero leaves, or (Edge) the pixel that is nearest. With Edge
// the last row is kept, Kept beats: a row or a column that comes again is read from there. Moves: behind which columns
// another pixel of it leaves.
// Latency: 1 cycle. Throughput: one beat that leaves a cycle.
// Cuts: valid and data; out_ready_i reaches in_ready_o through one gate.

module hwqat_pad #(
  parameter int unsigned        Rows       = 1,
  parameter int unsigned        Columns    = 1,
  parameter int unsigned        Kept       = 1,
  parameter int unsigned        Groups     = 1,
  parameter int unsigned        Pe         = 1,
  parameter int unsigned        Bits       = 8,
  parameter bit                 Edge       = 1'b0,
  parameter int                 Zero       = 0,
  parameter logic [Rows-1:0]    NewRows    = '1,
  parameter logic [Columns-1:0] NewColumns = '1,
  parameter logic [Columns-1:0] Moves      = '1
) (
  input  logic               clk_i,
  input  logic               rst_ni,

  input  logic [Pe*Bits-1:0] in_data_i,
  input  logic               in_valid_i,
  output logic               in_ready_o,

  output logic [Pe*Bits-1:0] out_data_o,
  output logic               out_valid_o,
  input  logic               out_ready_i
);

  localparam int unsigned GroupBits  = (Groups > 1) ? $clog2(Groups) : 1;
  localparam int unsigned RowBits    = (Rows > 1) ? $clog2(Rows) : 1;
  localparam int unsigned ColumnBits = (Columns > 1) ? $clog2(Columns) : 1;

  if (Rows < 1 || Columns < 1 || Kept < 1 || Groups < 1 || Pe < 1 || Bits < 1) begin : g_check
    $error("hwqat_pad: Rows, Columns, Kept, Groups, Pe and Bits must be at least 1");
  end

  logic [GroupBits-1:0]  group;
  logic [RowBits-1:0]    row;
  logic [ColumnBits-1:0] column;
  logic                  group_last, column_last, unused_row_last;
  logic                  on_image, ahead, reads, step, en, out_valid_q, fresh_q, held_q;
  logic [Pe*Bits-1:0]    data_q, first_q, again;

  hwqat_counter #(.Count(Groups)) u_group (
    .clk_i, .rst_ni, .step_i(step), .count_o(group), .last_o(group_last)
  );
  hwqat_counter #(.Count(Columns)) u_column (
    .clk_i, .rst_ni, .step_i(step & group_last), .count_o(column), .last_o(column_last)
  );
  hwqat_counter #(.Count(Rows)) u_row (
    .clk_i, .rst_ni, .step_i(step & group_last & column_last), .count_o(row), .last_o(unused_row_last)
  );

  assign on_image    = NewRows[row] & NewColumns[column];
  assign ahead       = ~on_image & (row == '0) & (column == '0) & (group == '0);
  assign reads       = ahead | (on_image & ~held_q);
  assign en          = ~out_valid_q | out_ready_i;
  assign step        = (in_valid_i | ~reads) & en;
  assign in_ready_o  = reads & en;
  assign out_valid_o = out_valid_q;
  assign out_data_o  = fresh_q ? data_q : again;

  always_ff @(posedge clk_i) begin
    if (step) begin
      data_q  <= held_q ? first_q : in_data_i;
      fresh_q <= on_image;
    end
    if (step & ahead) first_q <= in_data_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      held_q <= 1'b0;
    end else if (step & (ahead | on_image)) begin
      held_q <= ahead;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      out_valid_q <= 1'b0;
    end else if (en) begin
      out_valid_q <= step;
    end
  end

  if (Edge) begin : g_edge
    localparam int unsigned PlaceBits = (Kept > 1) ? $clog2(Kept) : 1;

    logic [PlaceBits-1:0] pixel_q, place;

    assign place = pixel_q + PlaceBits'(group);

    // First beat of the pixel that leaves.

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        pixel_q <= '0;
      end else if (step & group_last) begin
        if (column_last)        pixel_q <= '0;
        else if (Moves[column]) pixel_q <= pixel_q + PlaceBits'(Groups);
      end
    end

    // What is written is never what is read: then data_q leaves.
    (* no_rw_check *) logic [Pe*Bits-1:0] line [Kept];

    always_ff @(posedge clk_i) begin
      if (step & reads) line[place] <= in_data_i;
    end
    always_ff @(posedge clk_i) begin
      if (step) again <= line[place];
    end
  end else begin : g_zero
    assign again = {Pe{Bits'(Zero)}};
  end

endmodule
