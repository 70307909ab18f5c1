// Padding and sliding window, a row of taps in one beat, over a banked circular line buffer.
//
//   for each output pixel, for each of Outer groups, for each of KernelY rows, for each of Inner beats:
//   one beat of KernelX * Lanes elements, element column * Lanes + lane; PadValue where the tap lies
//   outside the image
//
// The buffer holds Rows rows, which need not be a power of two, in Columns banks, chosen by the low bits of
// the column (their number is a power of two, and the columns of a window never meet in a bank): a row of a
// window is read in one cycle at any stride, dilation and padding.
//
// Writer and reader are decoupled: the writer fills the buffer as room allows, on into the next
// frames, so that one frame's bottom padding overlaps the next frame's fill; the reader emits a beat
// as soon as it is there. No bubble between rows or frames.
//
// Latency: 3 cycles from the beat that was waited for. Throughput: one output beat a cycle.
// Cuts: valid, data and in_ready_o. in_ready_o does not depend on in_valid_i or out_ready_i.

module hwqat_window_rows #(
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
  parameter int Rows       = 3,
  parameter int Columns    = 4
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,

  input  logic [Lanes*Bits-1:0]         in_data_i,
  input  logic                          in_valid_i,
  output logic                          in_ready_o,

  output logic [KernelX*Lanes*Bits-1:0] out_data_o,
  output logic                          out_valid_o,
  input  logic                          out_ready_i
);

  localparam int SpanH      = (KernelY - 1) * DilationY + 1;
  localparam int SpanW      = (KernelX - 1) * DilationX + 1;
  localparam int PixelBeats = Outer * Inner;
  localparam int RowBeats   = Width * PixelBeats;
  localparam int Beat       = Lanes * Bits;
  localparam int BankRow    = ((Width + Columns - 1) / Columns) * PixelBeats;  // words of a row in one bank
  localparam int Words      = Rows * BankRow;                                  // of one bank
  localparam int AddrBits   = (Words > 1) ? $clog2(Words) : 1;
  localparam int ColBits    = (Columns > 1) ? $clog2(Columns) : 1;
  localparam int BeatBits   = (PixelBeats > 1) ? $clog2(PixelBeats) : 1;
  // Twice the largest distance between two numbers that are compared.
  localparam int NumberBits = $clog2((Height + Rows + SpanH + StrideY + 1) * RowBeats + SpanW * PixelBeats) + 2;
  localparam int PlaceBits  = $clog2(Height + Width + SpanH + SpanW + StrideY + StrideX) + 2;

  if (2**$clog2(Columns) != Columns) begin : g_check_power
    $error("hwqat_window_rows: Columns must be a power of two");
  end

  typedef logic [NumberBits-1:0]       number_t;
  typedef logic signed [PlaceBits-1:0] place_t;
  typedef logic [AddrBits-1:0]         addr_t;
  typedef logic [AddrBits:0]           wide_addr_t;
  typedef logic [ColBits-1:0]          col_bank_t;
  typedef logic [BeatBits-1:0]         beat_t;

  localparam col_bank_t ColMask = col_bank_t'(Columns - 1);

  // ---- Writer: beats of a pixel, then columns, then rows.
  number_t    written_q, limit_q;
  logic       push, beat_last, col_last, row_last;
  col_bank_t  write_col_q;
  addr_t      write_row_q, write_base_q, write_addr;  // the row's first word in each bank, the pixel's first one there
  beat_t      write_beat;
  localparam int WidthBits = (Width > 1) ? $clog2(Width) : 1;
  localparam int SlotBits  = (Rows > 1) ? $clog2(Rows) : 1;
  logic [WidthBits-1:0] unused_write_x;
  logic [SlotBits-1:0]  unused_write_slot;

  assign in_ready_o = written_q != limit_q;
  assign push       = in_valid_i & in_ready_o;
  assign write_addr = write_base_q + addr_t'(write_beat);

  hwqat_counter #(.Count(PixelBeats)) u_write_beat (
    .clk_i, .rst_ni, .step_i(push), .count_o(write_beat), .last_o(beat_last)
  );
  hwqat_counter #(.Count(Width)) u_write_x (
    .clk_i, .rst_ni, .step_i(push & beat_last), .count_o(unused_write_x), .last_o(col_last)
  );
  hwqat_counter #(.Count(Rows)) u_write_slot (
    .clk_i, .rst_ni, .step_i(push & beat_last & col_last), .count_o(unused_write_slot), .last_o(row_last)
  );

  addr_t next_row;
  assign next_row = row_last ? '0 : write_row_q + addr_t'(BankRow);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      written_q    <= '0;
      write_col_q  <= '0;
      write_row_q  <= '0;
      write_base_q <= '0;
    end else if (push) begin
      written_q <= written_q + number_t'(1);
      if (beat_last & col_last) begin
        write_col_q  <= '0;
        write_row_q  <= next_row;
        write_base_q <= next_row;
      end else if (beat_last) begin
        write_col_q <= (write_col_q + col_bank_t'(1)) & ColMask;
        if (write_col_q == ColMask) write_base_q <= write_base_q + addr_t'(PixelBeats);
      end
    end
  end

  // ---- Next beat: loops over pixels, groups, kernel rows, beats.
  logic    make, place_valid_q;
  place_t  row, col;
  number_t frame, first, limit;
  number_t unused_col_beats;
  logic    row_end, frame_end, pixel_end, pixel_step;

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

  localparam int InnerBits = (Inner > 1) ? $clog2(Inner) : 1;
  localparam int OuterBits = (Outer > 1) ? $clog2(Outer) : 1;
  localparam int KhBits    = (KernelY > 1) ? $clog2(KernelY) : 1;

  logic [InnerBits-1:0] unused_inner;
  logic [OuterBits-1:0] unused_outer;
  logic [KhBits-1:0]    unused_kh;
  logic inner_last, kh_last, outer_last;
  logic kh_step, outer_step;

  assign kh_step    = make & inner_last;
  assign outer_step = kh_step & kh_last;
  assign pixel_end  = inner_last & kh_last & outer_last;
  assign pixel_step = make & pixel_end;

  hwqat_counter #(.Count(Inner)) u_inner (
    .clk_i, .rst_ni, .step_i(make), .count_o(unused_inner), .last_o(inner_last)
  );
  hwqat_counter #(.Count(KernelY)) u_kh (
    .clk_i, .rst_ni, .step_i(kh_step), .count_o(unused_kh), .last_o(kh_last)
  );
  hwqat_counter #(.Count(Outer)) u_outer (
    .clk_i, .rst_ni, .step_i(outer_step), .count_o(unused_outer), .last_o(outer_last)
  );

  // Row of the next beat in the window, and the beat of its pixels.
  beat_t   beat_q;
  number_t tap_beats_q;  // beats from the window's first row to the tap's row
  place_t  tap_row_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_q      <= '0;
      tap_beats_q <= '0;
      tap_row_q   <= '0;
    end else if (make) begin
      if (!inner_last) begin
        beat_q      <= beat_q + beat_t'(1);
      end else if (!kh_last) begin
        beat_q      <= beat_q - beat_t'(Inner - 1);
        tap_beats_q <= tap_beats_q + number_t'(DilationY * RowBeats);
        tap_row_q   <= tap_row_q + place_t'(DilationY);
      end else begin
        beat_q      <= outer_last ? '0 : beat_q + beat_t'(1);
        tap_beats_q <= '0;
        tap_row_q   <= '0;
      end
    end
  end

  // Address of the tap's row: it moves by whole rows, modulo Words. FrameStep may be negative.
  localparam int FrameStep = (Height - (OutHeight - 1) * StrideY) % Rows;
  localparam int RowMod    = (StrideY % Rows) * BankRow;
  localparam int KhMod     = (DilationY % Rows) * BankRow;
  localparam int FrameMod  = ((FrameStep + Rows) % Rows) * BankRow;
  localparam int StartMod  = ((Rows - PadTop % Rows) % Rows) * BankRow;

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
    end else if (kh_step) begin
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

  // Bank of the window's first column.
  col_bank_t first_col_q, col_bank_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      first_col_q <= col_bank_t'(-PadLeft) & ColMask;
    end else if (pixel_step) begin
      first_col_q <= (row_end ? col_bank_t'(-PadLeft) : first_col_q + col_bank_t'(StrideX)) & ColMask;
    end
  end

  // ---- Place of the next beat, worked out one cycle ahead.
  place_t             tap_row;
  logic               row_inside, row_inside_q;
  logic [KernelX-1:0] col_inside, col_inside_q;
  number_t            last_col;  // beats from the first column to the last one inside the image
  number_t            after_q;   // number of that one's beat, plus one
  addr_t              row_addr;
  logic [Columns*AddrBits-1:0] bank_addr, bank_addr_q;

  assign tap_row    = row + tap_row_q;
  assign row_inside = (tap_row >= 0) & (tap_row < place_t'(Height));
  assign row_addr   = addr_t'(tap_addr_q) + addr_t'(beat_q);

  always_comb begin
    last_col = '0;
    for (int j = 0; j < KernelX; j++) begin
      if (col_inside[j]) last_col = number_t'(j * DilationX * PixelBeats);
    end
  end

  always_ff @(posedge clk_i) begin
    if (make) begin
      // A row of taps that lies in the padding altogether waits for the frame's first beat.
      after_q      <= number_t'(1) + ((row_inside & (|col_inside))
                                      ? first + tap_beats_q + last_col + number_t'(beat_q) : frame);
      row_inside_q <= row_inside;
      col_inside_q <= col_inside;
      col_bank_q   <= first_col_q;
      bank_addr_q  <= bank_addr;
    end
  end

  // Column j of the window: its bank, and its pixel's place in a row of that bank.
  logic [KernelX*Columns*AddrBits-1:0] base_of_tap;  // where the tap hits the bank, else 0

  for (genvar j = 0; j < KernelX; j++) begin : g_col
    // floor((j * DilationX - PadLeft) / Columns): the quotient of the row's first window.
    localparam int Start      = j * DilationX - PadLeft;
    localparam int StartBlock = (Start >= 0) ? Start / Columns : -((-Start + Columns - 1) / Columns);

    place_t    tap_col;
    col_bank_t bank;
    addr_t     base_q;  // wraps while the pixel lies outside the image
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
      assign base_of_tap[(j*Columns+b)*AddrBits +: AddrBits] = (bank == col_bank_t'(b)) ? base_q : '0;
    end
  end

  for (genvar b = 0; b < Columns; b++) begin : g_addr
    addr_t base;
    always_comb begin
      base = '0;
      for (int j = 0; j < KernelX; j++) begin
        base = base | base_of_tap[(j*Columns+b)*AddrBits +: AddrBits];
      end
    end
    assign bank_addr[b*AddrBits +: AddrBits] = row_addr + base;
  end

  // ---- Reader: waits for the row of taps, then memories and output register move together.
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

  logic [Columns*Beat-1:0] banks;
  logic                    read_row_inside_q;
  logic [KernelX-1:0]      read_col_inside_q;
  col_bank_t               read_col_q;

  always_ff @(posedge clk_i) begin
    if (en) begin
      read_row_inside_q <= row_inside_q;
      read_col_inside_q <= col_inside_q;
      read_col_q        <= col_bank_q;
    end
  end

  for (genvar c = 0; c < Columns; c++) begin : g_col_bank
    // What is read was written in an earlier cycle: synthesis need not build what a memory lacks for the rest.
    (* no_rw_check *) logic [Beat-1:0] mem [Words];
    logic [Beat-1:0] read_q;

    always_ff @(posedge clk_i) begin
      if (push & (write_col_q == col_bank_t'(c))) mem[write_addr] <= in_data_i;
    end
    always_ff @(posedge clk_i) begin
      if (en) read_q <= mem[bank_addr_q[c*AddrBits +: AddrBits]];
    end
    assign banks[c*Beat +: Beat] = read_q;
  end

  // Columns of the window in their order; padding.
  localparam logic [Bits-1:0] Pad = PadValue[Bits-1:0];

  logic [KernelX*Beat-1:0] out_q;

  for (genvar j = 0; j < KernelX; j++) begin : g_tap
    col_bank_t bank;
    assign bank = (read_col_q + col_bank_t'(j * DilationX)) & ColMask;

    always_ff @(posedge clk_i) begin
      if (en) begin
        out_q[j*Beat +: Beat] <= (read_row_inside_q & read_col_inside_q[j]) ? banks[bank*Beat +: Beat] : {Lanes{Pad}};
      end
    end
  end

  assign out_data_o  = out_q;
  assign out_valid_o = out_valid_q;

endmodule
