// Crop: some rows and columns of an image; the other pixels are dropped.
//
// Rows and Columns have a bit for each: whether it is kept, the first lowest.
// Latency: 0. Throughput: one input beat a cycle.
// Cuts: nothing; the FIFO on each port does. in_ready_o depends on out_ready_i only.

module hwqat_crop #(
  parameter int unsigned         Height  = 1,
  parameter int unsigned         Width   = 1,
  parameter int unsigned         Groups  = 1,
  parameter int unsigned         Pe      = 1,
  parameter int unsigned         Bits    = 8,
  parameter logic [Height-1:0]   Rows    = '1,
  parameter logic [Width-1:0]    Columns = '1
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

  localparam int unsigned GroupBits = (Groups > 1) ? $clog2(Groups) : 1;
  localparam int unsigned RowBits   = (Height > 1) ? $clog2(Height) : 1;
  localparam int unsigned ColBits   = (Width > 1) ? $clog2(Width) : 1;

  logic [GroupBits-1:0] unused_group;
  logic [RowBits-1:0]   row;
  logic [ColBits-1:0]   column;
  logic                 group_last, column_last, unused_row_last, step, keep;

  hwqat_counter #(.Count(Groups)) u_group (
    .clk_i, .rst_ni, .step_i(step), .count_o(unused_group), .last_o(group_last)
  );
  hwqat_counter #(.Count(Width)) u_column (
    .clk_i, .rst_ni, .step_i(step & group_last), .count_o(column), .last_o(column_last)
  );
  hwqat_counter #(.Count(Height)) u_row (
    .clk_i, .rst_ni, .step_i(step & group_last & column_last), .count_o(row), .last_o(unused_row_last)
  );

  assign keep        = Rows[row] & Columns[column];
  assign step        = in_valid_i & in_ready_o;
  assign in_ready_o  = out_ready_i | ~keep;
  assign out_data_o  = in_data_i;
  assign out_valid_o = in_valid_i & keep;

endmodule
