// Padding and sliding window, all taps in one beat, over a banked circular line buffer.
//
//   for each output pixel, for each of Outer * Inner beats: one beat of KernelY * KernelX * Lanes
//   elements, element tap * Lanes + lane; PadValue where the tap lies outside the image
//
// The buffer holds Rows rows in Rows x Columns banks, chosen by the low bits of row and column (both
// numbers are powers of two, and the columns of a window never meet in a bank): the whole window is
// read in one cycle at any stride, dilation and padding. Each bank has its row for itself, so that
// its address depends on the column only.
//
// Writer and reader are decoupled: the writer fills the buffer as room allows, on into the next
// frames, so that one frame's bottom padding overlaps the next frame's fill; the reader emits a beat
// as soon as it is there. No bubble between rows or frames.
//
// Latency: 3 cycles from the beat that was waited for. Throughput: one output beat a cycle.
// Cuts: valid, data and in_ready_o. in_ready_o does not depend on in_valid_i or out_ready_i.

module hwqat_window_parallel #(
  parameter int Height     = 4,
  parameter int Width      = 4,
  parameter int KernelY    = 3,
  parameter int KernelX    = 3,
  parameter int StrideY    = 1,
  parameter int StrideX    = 1,
  parameter int DilationY  = 1,
  parameter int DilationX  = 1,
  parameter int PadTop     = 1,
  parameter int PadLeft    = 1,
  parameter logic signed [63:0] PadValue = 64'sd0,
  parameter int OutHeight  = 4,
  parameter int OutWidth   = 4,
  parameter int Outer      = 1,
  parameter int Inner      = 1,
  parameter int Lanes      = 1,
  parameter int Bits       = 8,
  parameter int Rows       = 4,
  parameter int Columns    = 4
) (
  input  logic                                  clk_i,
  input  logic                                  rst_ni,

  input  logic [Lanes*Bits-1:0]                 in_data_i,
  input  logic                                  in_valid_i,
  output logic                                  in_ready_o,

  output logic [KernelY*KernelX*Lanes*Bits-1:0] out_data_o,
  output logic                                  out_valid_o,
  input  logic                                  out_ready_i
);

  localparam int SpanH      = (KernelY - 1) * DilationY + 1;
  localparam int SpanW      = (KernelX - 1) * DilationX + 1;
  localparam int PixelBeats = Outer * Inner;
  localparam int RowBeats   = Width * PixelBeats;
  localparam int Beat       = Lanes * Bits;
  localparam int Words      = ((Width + Columns - 1) / Columns) * PixelBeats;  // of one bank
  localparam int AddrBits   = (Words > 1) ? $clog2(Words) : 1;
  localparam int RowBits    = (Rows > 1) ? $clog2(Rows) : 1;
  localparam int ColBits    = (Columns > 1) ? $clog2(Columns) : 1;
  localparam int BeatBits   = (PixelBeats > 1) ? $clog2(PixelBeats) : 1;
  // Twice the largest distance between two numbers that are compared.
  localparam int NumberBits = $clog2((Height + Rows + SpanH + StrideY + 1) * RowBeats + SpanW * PixelBeats) + 2;
  localparam int PlaceBits  = $clog2(Height + Width + SpanH + SpanW + StrideY + StrideX) + 2;

  if (2**$clog2(Rows) != Rows || 2**$clog2(Columns) != Columns) begin : g_check_powers
    $error("hwqat_window_parallel: Rows and Columns must be powers of two");
  end

  typedef logic [NumberBits-1:0]       number_t;
  typedef logic signed [PlaceBits-1:0] place_t;
  typedef logic [AddrBits-1:0]         addr_t;
  typedef logic [RowBits-1:0]          row_bank_t;
  typedef logic [ColBits-1:0]          col_bank_t;

  localparam col_bank_t ColMask = col_bank_t'(Columns - 1);
  localparam row_bank_t RowMask = row_bank_t'(Rows - 1);

  // ---- Writer: beats of a pixel, then columns, then rows.
  number_t   written_q, limit_q;
  logic      push, beat_last, col_last;
  row_bank_t write_row_q;
  col_bank_t write_col_q;
  addr_t     write_base_q, write_addr;
  logic [BeatBits-1:0]  write_beat;
  localparam int WidthBits = (Width > 1) ? $clog2(Width) : 1;
  logic [WidthBits-1:0] unused_write_x;

  assign in_ready_o = written_q != limit_q;
  assign push       = in_valid_i & in_ready_o;
  assign write_addr = write_base_q + addr_t'(write_beat);

  hwqat_counter #(.Count(PixelBeats)) u_write_beat (
    .clk_i, .rst_ni, .step_i(push), .count_o(write_beat), .last_o(beat_last)
  );
  hwqat_counter #(.Count(Width)) u_write_x (
    .clk_i, .rst_ni, .step_i(push & beat_last), .count_o(unused_write_x), .last_o(col_last)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      written_q    <= '0;
      write_row_q  <= '0;
      write_col_q  <= '0;
      write_base_q <= '0;
    end else if (push) begin
      written_q <= written_q + number_t'(1);
      if (beat_last & col_last) begin
        write_row_q  <= (write_row_q + row_bank_t'(1)) & RowMask;
        write_col_q  <= '0;
        write_base_q <= '0;
      end else if (beat_last) begin
        write_col_q <= (write_col_q + col_bank_t'(1)) & ColMask;
        if (write_col_q == ColMask) write_base_q <= write_base_q + addr_t'(PixelBeats);
      end
    end
  end

  // ---- Next beat: loops over pixels and their beats.
  logic    make, place_valid_q, read_beat_last;
  place_t  row, col;
  number_t frame, first, limit;
  number_t unused_col_beats;
  logic    row_end, frame_end, pixel_step;
  logic [BeatBits-1:0] read_beat;

  assign pixel_step = make & read_beat_last;

  hwqat_counter #(.Count(PixelBeats)) u_read_beat (
    .clk_i, .rst_ni, .step_i(make), .count_o(read_beat), .last_o(read_beat_last)
  );
  hwqat_window_scan #(
    .Height(Height), .Width(Width), .PixelBeats(PixelBeats), .OutHeight(OutHeight), .OutWidth(OutWidth),
    .SpanH(SpanH), .SpanW(SpanW), .StrideY(StrideY), .StrideX(StrideX), .PadTop(PadTop), .PadLeft(PadLeft),
    .Rows(Rows), .NumberBits(NumberBits), .PlaceBits(PlaceBits)
  ) u_scan (
    .clk_i, .rst_ni, .step_i(pixel_step),
    .row_o(row), .col_o(col),
    .frame_o(frame), .first_o(first), .col_beats_o(unused_col_beats), .limit_o(limit),
    .row_end_o(row_end), .frame_end_o(frame_end)
  );

  // Bank of the window's first tap: low bits of its row, counted on across frames, and of its column.
  localparam row_bank_t RowStep   = row_bank_t'(StrideY) & RowMask;
  localparam row_bank_t FrameStep = row_bank_t'(Height - (OutHeight - 1) * StrideY) & RowMask;

  row_bank_t first_row_q, row_bank_q;
  col_bank_t first_col_q, col_bank_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      first_row_q <= row_bank_t'(-PadTop) & RowMask;
      first_col_q <= col_bank_t'(-PadLeft) & ColMask;
    end else if (pixel_step) begin
      first_col_q <= (row_end ? col_bank_t'(-PadLeft) : first_col_q + col_bank_t'(StrideX)) & ColMask;
      if (row_end) first_row_q <= (first_row_q + (frame_end ? FrameStep : RowStep)) & RowMask;
    end
  end

  // ---- Place of the next beat, worked out one cycle ahead.
  logic [KernelY-1:0] row_inside, row_inside_q;
  logic [KernelX-1:0] col_inside, col_inside_q;
  number_t            last_row, last_col;  // beats from the first tap to the last one inside the image
  number_t            after_q;             // number of that one's beat, plus one
  logic [Columns*AddrBits-1:0] bank_addr, bank_addr_q;

  for (genvar i = 0; i < KernelY; i++) begin : g_row_inside
    place_t tap_row;
    assign tap_row       = row + place_t'(i * DilationY);
    assign row_inside[i] = (tap_row >= 0) & (tap_row < place_t'(Height));
  end

  always_comb begin
    last_row = '0;
    last_col = '0;
    for (int i = 0; i < KernelY; i++) begin
      if (row_inside[i]) last_row = number_t'(i * DilationY * RowBeats);
    end
    for (int j = 0; j < KernelX; j++) begin
      if (col_inside[j]) last_col = number_t'(j * DilationX * PixelBeats);
    end
  end

  always_ff @(posedge clk_i) begin
    if (make) begin
      // A window that lies in the padding altogether waits for the frame's first beat.
      after_q      <= number_t'(1) + (((|row_inside) & (|col_inside))
                                      ? first + last_row + last_col + number_t'(read_beat) : frame);
      row_inside_q <= row_inside;
      col_inside_q <= col_inside;
      row_bank_q   <= first_row_q;
      col_bank_q   <= first_col_q;
      bank_addr_q  <= bank_addr;
    end
  end

  // Column j of the window: its bank, and the address there.
  logic [KernelX*Columns*AddrBits-1:0] addr_of_tap;  // the address where the tap hits the bank, else 0

  for (genvar j = 0; j < KernelX; j++) begin : g_col
    // floor((j * DilationX - PadLeft) / Columns): the quotient of the row's first window.
    localparam int Start      = j * DilationX - PadLeft;
    localparam int StartBlock = (Start >= 0) ? Start / Columns : -((-Start + Columns - 1) / Columns);

    place_t    tap_col;
    col_bank_t bank;
    addr_t     base_q;  // address of the pixel's first beat; wraps while it lies outside the image
    logic      carry;   // the step crosses into one more block of Columns columns

    assign tap_col = col + place_t'(j * DilationX);
    assign bank    = (first_col_q + col_bank_t'(j * DilationX)) & ColMask;
    assign carry   = {1'b0, bank} + (ColBits+1)'(StrideX % Columns) >= (ColBits+1)'(Columns);

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        base_q <= addr_t'(StartBlock * PixelBeats);
      end else if (pixel_step) begin
        if (row_end)    base_q <= addr_t'(StartBlock * PixelBeats);
        else if (carry) base_q <= base_q + addr_t'((StrideX / Columns + 1) * PixelBeats);
        else            base_q <= base_q + addr_t'((StrideX / Columns) * PixelBeats);
      end
    end

    assign col_inside[j] = (tap_col >= 0) & (tap_col < place_t'(Width));

    for (genvar b = 0; b < Columns; b++) begin : g_bank
      assign addr_of_tap[(j*Columns+b)*AddrBits +: AddrBits] =
          (bank == col_bank_t'(b)) ? base_q + addr_t'(read_beat) : '0;
    end
  end

  always_comb begin
    bank_addr = '0;
    for (int j = 0; j < KernelX; j++) begin
      bank_addr = bank_addr | addr_of_tap[j*Columns*AddrBits +: Columns*AddrBits];
    end
  end

  // ---- Reader: waits for the window, then memories and output register move together.
  number_t ahead;
  logic    there, go, en, read_valid_q, out_valid_q;

  assign ahead = written_q - after_q;
  assign there = ~ahead[NumberBits-1];
  assign en    = ~out_valid_q | out_ready_i;
  assign go    = place_valid_q & there & en;
  assign make  = ~place_valid_q | go;

  // The limit moves as soon as the last beat of the former window has been read.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      limit_q       <= number_t'(Rows * RowBeats);
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

  // Banks, and for each row bank the columns of the window in their order.
  logic [Rows*KernelX*Beat-1:0] ordered;
  row_bank_t                    read_row_q;
  col_bank_t                    read_col_q;
  logic [KernelY-1:0]           read_row_inside_q;
  logic [KernelX-1:0]           read_col_inside_q;

  always_ff @(posedge clk_i) begin
    if (en) begin
      read_row_q        <= row_bank_q;
      read_col_q        <= col_bank_q;
      read_row_inside_q <= row_inside_q;
      read_col_inside_q <= col_inside_q;
    end
  end

  for (genvar r = 0; r < Rows; r++) begin : g_row_bank
    logic [Columns*Beat-1:0] banks;

    for (genvar c = 0; c < Columns; c++) begin : g_col_bank
      // What is read was written in an earlier cycle: synthesis need not build what a memory lacks for the rest.
      (* no_rw_check *) logic [Beat-1:0] mem [Words];
      logic [Beat-1:0] read_q;

      always_ff @(posedge clk_i) begin
        if (push & (write_row_q == row_bank_t'(r)) & (write_col_q == col_bank_t'(c))) mem[write_addr] <= in_data_i;
      end
      always_ff @(posedge clk_i) begin
        if (en) read_q <= mem[bank_addr_q[c*AddrBits +: AddrBits]];
      end
      assign banks[c*Beat +: Beat] = read_q;
    end

    for (genvar j = 0; j < KernelX; j++) begin : g_order
      col_bank_t bank;
      assign bank = (read_col_q + col_bank_t'(j * DilationX)) & ColMask;
      assign ordered[(r*KernelX+j)*Beat +: Beat] = banks[bank*Beat +: Beat];
    end
  end

  // Rows of the window in their order; padding.
  localparam logic [Bits-1:0] Pad = PadValue[Bits-1:0];

  logic [KernelY*KernelX*Beat-1:0] out_q;

  for (genvar i = 0; i < KernelY; i++) begin : g_row
    row_bank_t              bank;
    logic [KernelX*Beat-1:0] taps;

    assign bank = (read_row_q + row_bank_t'(i * DilationY)) & RowMask;
    assign taps = ordered[bank*(KernelX*Beat) +: KernelX*Beat];

    for (genvar j = 0; j < KernelX; j++) begin : g_tap
      always_ff @(posedge clk_i) begin
        if (en) begin
          out_q[(i*KernelX+j)*Beat +: Beat] <=
              (read_row_inside_q[i] & read_col_inside_q[j]) ? taps[j*Beat +: Beat] : {Lanes{Pad}};
        end
      end
    end
  end

  assign out_data_o  = out_q;
  assign out_valid_o = out_valid_q;

endmodule
