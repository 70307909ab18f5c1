// Multiplies every lane by its own constant and aligns the product.
//
//   data_o[lane] = x_i[lane] * m_i[lane] << Shift   (modulo 2**OutBits)
//
// A multiplier block takes Wide x Narrow bits, signed. Longer operands are cut into pieces that fit; all
// but the top one have a zero sign. Each partial product has a register before and behind it, and their
// sum has one: no cycle holds more than one multiplication or one sum.
// With InLuts the products take no multiplier block: m is cut into pieces of four bits, and a partial product
// is the sum of their rows.
// Latency: 3 cycles: operands, partial products, sum.

module hwqat_scale #(
  parameter int unsigned Lanes   = 1,
  parameter int unsigned XBits   = 8,
  parameter bit          XSigned = 1'b1,
  parameter int unsigned MBits   = 16,
  parameter bit          MSigned = 1'b1,
  parameter int unsigned Wide    = 27,
  parameter int unsigned Narrow  = 18,
  parameter bit          InLuts  = 1'b0,
  parameter int unsigned Shift   = 0,
  parameter int unsigned OutBits = 32
) (
  input  logic                     clk_i,
  input  logic                     en_i,
  input  logic [Lanes*XBits-1:0]   x_i,
  input  logic [Lanes*MBits-1:0]   m_i,
  output logic [Lanes*OutBits-1:0] data_o
);

  // As signed numbers; an unsigned one has one bit more.
  localparam int unsigned XWidth = XBits + 32'(!XSigned);
  localparam int unsigned MWidth = MBits + 32'(!MSigned);

  // What an operand takes, with a sign.
  localparam int unsigned Long    = InLuts ? ((XWidth > 5) ? XWidth : 5) : Wide;
  localparam int unsigned Short   = InLuts ? 5 : Narrow;

  // Pieces of both, with x at the wide operand or at the narrow one, whichever makes fewer products.
  localparam int unsigned XWide   = (XWidth <= Long)  ? 1 : 1 + (XWidth - Long  + Long  - 2) / (Long  - 1);
  localparam int unsigned XNarrow = (XWidth <= Short) ? 1 : 1 + (XWidth - Short + Short - 2) / (Short - 1);
  localparam int unsigned MWide   = (MWidth <= Long)  ? 1 : 1 + (MWidth - Long  + Long  - 2) / (Long  - 1);
  localparam int unsigned MNarrow = (MWidth <= Short) ? 1 : 1 + (MWidth - Short + Short - 2) / (Short - 1);
  localparam bit          AtWide  = InLuts || (XWide * MNarrow <= XNarrow * MWide);
  localparam int unsigned XPieces = AtWide ? XWide   : XNarrow;
  localparam int unsigned MPieces = AtWide ? MNarrow : MWide;
  localparam int unsigned XStep   = (AtWide ? Long : Short) - 1;  // bits of a piece below the top one
  localparam int unsigned MStep   = (AtWide ? Short : Long) - 1;
  localparam int unsigned XPiece  = (XPieces > 1) ? XStep + 1 : XWidth;
  localparam int unsigned MPiece  = (MPieces > 1) ? MStep + 1 : MWidth;
  localparam int unsigned Pieces  = XPieces * MPieces;

  // Bits that do not reach the result are not made.
  localparam int unsigned ProductBits = (XWidth + MWidth < OutBits) ? XWidth + MWidth : OutBits;

  for (genvar i = 0; i < Lanes; i++) begin : g_lane
    logic signed [XPieces*XPiece-1:0] x_q;
    logic signed [MPieces*MPiece-1:0] m_q;
    logic signed [ProductBits-1:0]    sum, product_q;
    logic [Pieces*ProductBits-1:0]    parts;

    for (genvar j = 0; j < XPieces; j++) begin : g_x
      logic signed [XPiece-1:0] piece;
      if (j == XPieces - 1) begin : g_top
        assign piece = XPiece'($signed({XSigned & x_i[(i+1)*XBits-1], x_i[i*XBits+j*XStep +: XBits-j*XStep]}));
      end else begin : g_low
        assign piece = {1'b0, x_i[i*XBits+j*XStep +: XStep]};
      end
      always_ff @(posedge clk_i) begin
        if (en_i) x_q[j*XPiece +: XPiece] <= piece;
      end
    end

    for (genvar k = 0; k < MPieces; k++) begin : g_m
      logic signed [MPiece-1:0] piece;
      if (k == MPieces - 1) begin : g_top
        assign piece = MPiece'($signed({MSigned & m_i[(i+1)*MBits-1], m_i[i*MBits+k*MStep +: MBits-k*MStep]}));
      end else begin : g_low
        assign piece = {1'b0, m_i[i*MBits+k*MStep +: MStep]};
      end
      always_ff @(posedge clk_i) begin
        if (en_i) m_q[k*MPiece +: MPiece] <= piece;
      end
    end

    for (genvar j = 0; j < XPieces; j++) begin : g_row
      for (genvar k = 0; k < MPieces; k++) begin : g_part
        localparam int unsigned Place    = j * XStep + k * MStep;  // of its lowest bit
        localparam int unsigned Left     = (Place < ProductBits) ? ProductBits - Place : 1;
        localparam int unsigned PartBits = (XPiece + MPiece < Left) ? XPiece + MPiece : Left;

        logic signed [XPiece-1:0]        x;
        logic signed [MPiece-1:0]        m;
        logic signed [XPiece+MPiece-1:0] part;
        logic signed [PartBits-1:0]      part_q;
        logic                            unused_part;

        assign x           = x_q[j*XPiece +: XPiece];
        assign m           = m_q[k*MPiece +: MPiece];
        if (InLuts) begin : g_rows
          // x for each bit of the piece, the number's last one negative. An adder for two rows, and one for two
          // such pairs; synthesis would make a slower tree of all of them.
          localparam bit          Top   = k == MPieces - 1;
          localparam int unsigned Rows  = Top ? MWidth - k * MStep : MStep;
          localparam int unsigned Pairs = (Rows + 1) / 2;

          logic [Pairs*(XPiece+2)-1:0] pairs;
          logic                        unused_sign;

          assign unused_sign = m[MPiece-1];

          for (genvar r = 0; r < Pairs; r++) begin : g_pair
            logic signed [XPiece+1:0]            low;
            (* keep *) logic signed [XPiece+1:0] pair;

            assign low = m[2*r] ? (XPiece+2)'(x) : '0;
            if (2 * r + 1 < Rows) begin : g_two
              logic signed [XPiece+1:0] high;

              assign high = m[2*r+1] ? (XPiece+2)'(x) << 1 : '0;
              assign pair = (Top && 2 * r + 2 == Rows) ? low - high : low + high;
            end else begin : g_one
              assign pair = Top ? -low : low;
            end
            assign pairs[r*(XPiece+2) +: XPiece+2] = pair;
          end

          always_comb begin
            part = '0;
            for (int unsigned r = 0; r < Pairs; r++) begin
              part = part + ((XPiece+MPiece)'($signed(pairs[r*(XPiece+2) +: XPiece+2])) << (2 * r));
            end
          end
        end else begin : g_block
          assign part = x * m;
        end
        assign unused_part = ^part;

        always_ff @(posedge clk_i) begin
          if (en_i) part_q <= PartBits'(part);
        end

        assign parts[(j*MPieces+k)*ProductBits +: ProductBits] = ProductBits'(part_q) << Place;
      end
    end

    always_comb begin
      sum = '0;
      for (int unsigned p = 0; p < Pieces; p++) begin
        sum = sum + $signed(parts[p*ProductBits +: ProductBits]);
      end
    end

    always_ff @(posedge clk_i) begin
      if (en_i) product_q <= sum;
    end

    assign data_o[i*OutBits +: OutBits] = OutBits'(product_q) << Shift;
  end

endmodule
