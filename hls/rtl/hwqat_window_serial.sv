// Padding and sliding window, one tap a beat, over a circular line buffer of Rows rows.
//
//   for each output pixel, for each of Outer channel groups, for each tap, for each of Inner beats:
//   one beat of Lanes elements; PadValue where the tap lies outside the image
//
// Writer and reader are decoupled: the writer fills the buffer as room allows, on into the next
// frames, so that one frame's bottom padding overlaps the next frame's fill; the reader emits a beat
// as soon as it is there. No bubble between rows or frames.
//
// Latency: 3 cycles from the beat that was waited for. Throughput: one output beat a cycle.
// Cuts: valid, data and in_ready_o. in_ready_o does not depend on in_valid_i or out_ready_i.

module hwqat_window_serial #(
  parameter int Height    = 4,
  parameter int Width     = 4,
  parameter int KernelY   = 3,
  parameter int KernelX   = 3,
  parameter int StrideY   = 1,
  parameter int StrideX   = 1,
  parameter int DilationY = 1,
  parameter int DilationX = 1,
  parameter int PadTop    = 1,
  parameter int PadLeft   = 1,
  parameter logic signed [63:0] PadValue = 64'sd0,
  parameter int OutHeight = 4,
  parameter int OutWidth  = 4,
  parameter int Outer     = 1,
  parameter int Inner     = 1,
  parameter int Lanes     = 1,
  parameter int Bits      = 8,
  parameter int Rows      = 3
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,

  input  logic [Lanes*Bits-1:0] in_data_i,
  input  logic                  in_valid_i,
  output logic                  in_ready_o,

  output logic [Lanes*Bits-1:0] out_data_o,
  output logic                  out_valid_o,
  input  logic                  out_ready_i
);

  localparam int SpanH      = (KernelY - 1) * DilationY + 1;
  localparam int SpanW      = (KernelX - 1) * DilationX + 1;
  localparam int PixelBeats = Outer * Inner;
  localparam int RowBeats   = Width * PixelBeats;
  localparam int Words      = Rows * RowBeats;
  localparam int AddrBits   = (Words > 1) ? $clog2(Words) : 1;
  // Twice the largest distance between two numbers that are compared.
  localparam int NumberBits = $clog2((Height + Rows + SpanH + StrideY + 1) * RowBeats + SpanW * PixelBeats) + 2;
  localparam int PlaceBits  = $clog2(Height + Width + SpanH + SpanW + StrideY + StrideX) + 2;

  typedef logic [NumberBits-1:0]       number_t;
  typedef logic signed [PlaceBits-1:0] place_t;
  typedef logic [AddrBits-1:0]         addr_t;

  // ---- Writer: beat `written_q` goes to word `written_q` modulo Words.
  // What is read was written in an earlier cycle: synthesis need not build what a memory lacks for the rest.
  (* no_rw_check *) logic [Lanes*Bits-1:0] mem [Words];
  number_t               written_q, limit_q;
  addr_t                 write_addr;
  logic                  push, unused_write_last;

  assign in_ready_o = written_q != limit_q;
  assign push       = in_valid_i & in_ready_o;

  hwqat_counter #(.Count(Words)) u_write_addr (
    .clk_i, .rst_ni, .step_i(push), .count_o(write_addr), .last_o(unused_write_last)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) written_q <= '0;
    else if (push) written_q <= written_q + number_t'(1);
  end

  always_ff @(posedge clk_i) begin
    if (push) mem[write_addr] <= in_data_i;
  end

  // ---- Next beat: loops over pixels, groups, kernel rows, kernel columns, beats.
  logic    make, place_valid_q;
  place_t  row, col;
  number_t frame, first, limit, col_beats;
  logic    row_end, frame_end;
  logic    pixel_end;

  hwqat_window_scan #(
    .Height(Height), .Width(Width), .PixelBeats(PixelBeats), .OutHeight(OutHeight), .OutWidth(OutWidth),
    .SpanH(SpanH), .SpanW(SpanW), .StrideY(StrideY), .StrideX(StrideX), .PadTop(PadTop), .PadLeft(PadLeft),
    .Rows(Rows), .NumberBits(NumberBits), .PlaceBits(PlaceBits)
  ) u_scan (
    .clk_i, .rst_ni, .step_i(make & pixel_end),
    .row_o(row), .col_o(col),
    .frame_o(frame), .first_o(first), .col_beats_o(col_beats), .limit_o(limit),
    .row_end_o(row_end), .frame_end_o(frame_end)
  );

  localparam int InnerBits = (Inner > 1) ? $clog2(Inner) : 1;
  localparam int OuterBits = (Outer > 1) ? $clog2(Outer) : 1;
  localparam int KhBits    = (KernelY > 1) ? $clog2(KernelY) : 1;
  localparam int KwBits    = (KernelX > 1) ? $clog2(KernelX) : 1;

  logic [InnerBits-1:0] unused_inner;
  logic [OuterBits-1:0] unused_outer;
  logic [KhBits-1:0]    unused_kh;
  logic [KwBits-1:0]    unused_kw;
  logic inner_last, kw_last, kh_last, outer_last;
  logic kw_step, kh_step, outer_step;

  assign kw_step    = make & inner_last;
  assign kh_step    = kw_step & kw_last;
  assign outer_step = kh_step & kh_last;
  assign pixel_end  = inner_last & kw_last & kh_last & outer_last;

  hwqat_counter #(.Count(Inner)) u_inner (
    .clk_i, .rst_ni, .step_i(make), .count_o(unused_inner), .last_o(inner_last)
  );
  hwqat_counter #(.Count(KernelX)) u_kw (
    .clk_i, .rst_ni, .step_i(kw_step), .count_o(unused_kw), .last_o(kw_last)
  );
  hwqat_counter #(.Count(KernelY)) u_kh (
    .clk_i, .rst_ni, .step_i(kh_step), .count_o(unused_kh), .last_o(kh_last)
  );
  hwqat_counter #(.Count(Outer)) u_outer (
    .clk_i, .rst_ni, .step_i(outer_step), .count_o(unused_outer), .last_o(outer_last)
  );

  // Tap of the next beat: its row and column in the window, and the beats they are worth. `within_q`
  // moves by a constant that depends on the outermost loop that goes on; it wraps, as all numbers do.
  localparam int KwStep    = DilationX * PixelBeats - (Inner - 1);
  localparam int KhStep    = -(KernelX - 1) * DilationX * PixelBeats - (Inner - 1);
  localparam int OuterStep = KhStep + Inner;

  number_t within_q;    // beats from the window's first column to the beat, in one row
  number_t tap_beats_q; // beats from the window's first row to the tap's row
  place_t  tap_row_q, tap_col_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      within_q    <= '0;
      tap_beats_q <= '0;
      tap_row_q   <= '0;
      tap_col_q   <= '0;
    end else if (make) begin
      if (!inner_last) begin
        within_q    <= within_q + number_t'(1);
      end else if (!kw_last) begin
        within_q    <= within_q + number_t'(KwStep);
        tap_col_q   <= tap_col_q + place_t'(DilationX);
      end else if (!kh_last) begin
        within_q    <= within_q + number_t'(KhStep);
        tap_beats_q <= tap_beats_q + number_t'(DilationY * RowBeats);
        tap_row_q   <= tap_row_q + place_t'(DilationY);
        tap_col_q   <= '0;
      end else begin
        within_q    <= outer_last ? '0 : within_q + number_t'(OuterStep);
        tap_beats_q <= '0;
        tap_row_q   <= '0;
        tap_col_q   <= '0;
      end
    end
  end

  // Address of the tap's row: it moves by whole rows, modulo Words. FrameStep may be negative.
  localparam int FrameStep = (Height - (OutHeight - 1) * StrideY) % Rows;
  localparam int RowMod    = (StrideY % Rows) * RowBeats;
  localparam int KhMod     = (DilationY % Rows) * RowBeats;
  localparam int FrameMod  = ((FrameStep + Rows) % Rows) * RowBeats;
  localparam int StartMod  = ((Rows - PadTop % Rows) % Rows) * RowBeats;

  typedef logic [AddrBits:0] wide_addr_t;

  wide_addr_t window_addr_q, window_addr_d;  // of the window's first row
  wide_addr_t tap_addr_q, tap_addr_next;
  wide_addr_t window_sum, tap_sum;

  assign window_sum    = window_addr_q + (frame_end ? wide_addr_t'(FrameMod) : wide_addr_t'(RowMod));
  assign window_addr_d = !row_end ? window_addr_q :
                         (window_sum >= wide_addr_t'(Words)) ? window_sum - wide_addr_t'(Words) : window_sum;
  assign tap_sum       = tap_addr_q + wide_addr_t'(KhMod);
  assign tap_addr_next = (tap_sum >= wide_addr_t'(Words)) ? tap_sum - wide_addr_t'(Words) : tap_sum;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      window_addr_q <= wide_addr_t'(StartMod);
      tap_addr_q    <= wide_addr_t'(StartMod);
    end else if (make & inner_last & kw_last) begin
      if (!kh_last) begin
        tap_addr_q    <= tap_addr_next;
      end else if (!outer_last) begin
        tap_addr_q    <= window_addr_q;
      end else begin
        tap_addr_q    <= window_addr_d;
        window_addr_q <= window_addr_d;
      end
    end
  end

  // ---- Place of the next beat, worked out one cycle ahead.
  number_t after_q;  // number of the beat, plus one; padding waits for the frame's first beat
  place_t  tap_row, tap_col;
  logic    in_image, in_image_q;
  addr_t   addr_q;

  assign tap_row  = row + tap_row_q;
  assign tap_col  = col + tap_col_q;
  assign in_image = (tap_row >= 0) & (tap_row < place_t'(Height)) & (tap_col >= 0) & (tap_col < place_t'(Width));

  always_ff @(posedge clk_i) begin
    if (make) begin
      after_q    <= (in_image ? first + tap_beats_q + within_q : frame) + number_t'(1);
      in_image_q <= in_image;
      addr_q     <= addr_t'(tap_addr_q) + addr_t'(col_beats + within_q);
    end
  end

  // ---- Reader: waits for the beat, then memory and output register move together.
  number_t               ahead;
  logic                  there, go, en, read_valid_q, out_valid_q, read_in_image_q;
  logic [Lanes*Bits-1:0] read_q, out_q;

  assign ahead = written_q - after_q;
  assign there = ~ahead[NumberBits-1];
  assign en    = ~out_valid_q | out_ready_i;
  assign go    = place_valid_q & there & en;
  assign make  = ~place_valid_q | go;

  // The limit moves as soon as the last beat of the former window has been read.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      limit_q       <= number_t'(Words);
      place_valid_q <= 1'b0;
      read_valid_q  <= 1'b0;
      out_valid_q   <= 1'b0;
    end else begin
      place_valid_q <= 1'b1;
      if (make) limit_q <= limit;
      if (en) begin
        read_valid_q <= go;
        out_valid_q  <= read_valid_q;
      end
    end
  end

  localparam logic [Bits-1:0] Pad = PadValue[Bits-1:0];

  always_ff @(posedge clk_i) begin
    if (en) begin
      read_q        <= mem[addr_q];
      read_in_image_q <= in_image_q;
      out_q         <= read_in_image_q ? read_q : {Lanes{Pad}};
    end
  end

  assign out_data_o  = out_q;
  assign out_valid_o = out_valid_q;

endmodule
