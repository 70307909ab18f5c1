// Walks the output pixels of a sliding window, row by row, frame after frame without a gap.
//
// Input beats are numbered in the order of arrival, on across frames, modulo 2**NumberBits: beat b of
// pixel (r, c) of frame f has the number (f * Height + r) * RowBeats + c * PixelBeats + b.
//
//   row_o, col_o  position of the window's first tap (signed: it may lie in the padding)
//   frame_o       number of the frame's first beat
//   first_o       number of the first tap's first beat (also while it lies in the padding)
//   col_beats_o   beats from the start of the row to the first tap's first beat, likewise
//   limit_o       number of the first beat for which there is no room while this window is read:
//                 Rows rows of the image after the oldest pixel needed
//   row_end_o, frame_end_o  this is the last window of its row, of its frame
//
// All outputs are those of one window until step_i. Combinational from registers.

module hwqat_window_scan #(
  parameter int Height     = 4,
  parameter int Width      = 4,
  parameter int PixelBeats = 1,
  parameter int OutHeight  = 4,
  parameter int OutWidth   = 4,
  parameter int SpanH      = 3,
  parameter int SpanW      = 3,
  parameter int StrideY    = 1,
  parameter int StrideX    = 1,
  parameter int PadTop     = 1,
  parameter int PadLeft    = 1,
  parameter int Rows       = 4,
  parameter int NumberBits = 16,
  parameter int PlaceBits  = 8
) (
  input  logic                         clk_i,
  input  logic                         rst_ni,
  input  logic                         step_i,

  output logic signed [PlaceBits-1:0]  row_o,
  output logic signed [PlaceBits-1:0]  col_o,
  output logic        [NumberBits-1:0] frame_o,
  output logic        [NumberBits-1:0] first_o,
  output logic        [NumberBits-1:0] col_beats_o,
  output logic        [NumberBits-1:0] limit_o,
  output logic                         row_end_o,
  output logic                         frame_end_o
);

  if (PadTop >= SpanH || PadLeft >= SpanW) begin : g_check_padding
    $error("hwqat_window_scan: padding must be less than the window's span");
  end
  if (Rows < SpanH) begin : g_check_rows
    $error("hwqat_window_scan: Rows must hold at least the window's span");
  end

  localparam int RowBeats = Width * PixelBeats;

  // Steps of the registers below: one window on, one row of windows on, one frame on.
  localparam int ColStep    = StrideX * PixelBeats;
  localparam int RowStep    = StrideY * RowBeats;
  localparam int FrameStep  = Height * RowBeats;
  localparam int FirstCol   = -PadLeft * PixelBeats;
  localparam int FirstRow   = -PadTop * RowBeats;

  typedef logic [NumberBits-1:0]       number_t;
  typedef logic signed [PlaceBits-1:0] place_t;

  place_t  row_q, col_q;
  number_t frame_q;     // number of the frame's first beat
  number_t row_beats_q; // of the window's first row, relative to the frame
  number_t col_beats_q; // of the window's first column, relative to the row
  number_t first_q;

  assign row_end_o   = col_q == place_t'((OutWidth - 1) * StrideX - PadLeft);
  assign frame_end_o = row_end_o & (row_q == place_t'((OutHeight - 1) * StrideY - PadTop));

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      col_q       <= place_t'(-PadLeft);
      col_beats_q <= number_t'(FirstCol);
    end else if (step_i) begin
      col_q       <= row_end_o ? place_t'(-PadLeft)           : col_q + place_t'(StrideX);
      col_beats_q <= row_end_o ? number_t'(FirstCol)          : col_beats_q + number_t'(ColStep);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      row_q       <= place_t'(-PadTop);
      row_beats_q <= number_t'(FirstRow);
      frame_q     <= '0;
    end else if (step_i & row_end_o) begin
      row_q       <= frame_end_o ? place_t'(-PadTop)           : row_q + place_t'(StrideY);
      row_beats_q <= frame_end_o ? number_t'(FirstRow)         : row_beats_q + number_t'(RowStep);
      if (frame_end_o) frame_q <= frame_q + number_t'(FrameStep);
    end
  end

  // The first tap's number moves by a constant that depends on the outermost loop that goes on.
  localparam int ToNextRow   = RowStep - (OutWidth - 1) * ColStep;
  localparam int ToNextFrame = FrameStep - (OutHeight - 1) * RowStep - (OutWidth - 1) * ColStep;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      first_q <= number_t'(FirstRow + FirstCol);
    end else if (step_i) begin
      first_q <= first_q + (frame_end_o ? number_t'(ToNextFrame) :
                            row_end_o   ? number_t'(ToNextRow)   : number_t'(ColStep));
    end
  end

  // The oldest pixel needed: pixel 0 while the window's first row lies in the top padding, since the
  // next row of windows will begin there again.
  number_t oldest;
  assign oldest = (row_q < 0) ? '0 : (col_q < 0) ? row_beats_q : row_beats_q + col_beats_q;

  assign row_o       = row_q;
  assign col_o       = col_q;
  assign frame_o     = frame_q;
  assign first_o     = first_q;
  assign col_beats_o = col_beats_q;
  assign limit_o     = frame_q + oldest + number_t'(Rows * RowBeats);

endmodule
