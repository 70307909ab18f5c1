// Rounds a fixed-point number to an integer: the seven quantisation modes of ap_fixed.
//
//   q_o = sum_i * 2**-Frac, rounded by Mode; sum_i << -Frac where Frac is not positive
//
// AP_RND expects that its half has been added already: it is a plain shift, like AP_TRN.
// Combinational.

module hwqat_round #(
  parameter int unsigned Bits = 32,
  parameter int          Frac = 8,
  parameter logic [127:0] Mode = "AP_RND",
  localparam int unsigned Shift   = (Frac > 0) ? Frac : 0,
  localparam int unsigned OutBits = (Bits > Shift) ? Bits - Shift + 1 : 2
) (
  input  logic signed [Bits-1:0]    sum_i,
  output logic signed [OutBits-1:0] q_o
);

  if (Frac <= 0) begin : g_integer
    assign q_o = OutBits'(sum_i) <<< -Frac;
  end else begin : g_fraction
    // At least Shift + 1 bits, so that half and rest can be cut from it.
    localparam int unsigned WideBits = (Bits > Shift) ? Bits : Shift + 1;

    logic signed [WideBits-1:0] wide;
    logic signed [OutBits-1:0]  down;
    logic                       negative, odd, half, sticky, up;

    assign wide     = WideBits'(sum_i);
    assign down     = OutBits'(wide >>> Shift);
    assign negative = wide[WideBits-1];
    assign odd      = down[0];
    assign half     = wide[Shift-1];

    if (Shift > 1) begin : g_sticky
      assign sticky = |wide[Shift-2:0];
    end else begin : g_no_sticky
      assign sticky = 1'b0;
    end

    if (Mode == "AP_TRN" || Mode == "AP_RND") begin : g_down
      assign up = 1'b0;
    end else if (Mode == "AP_TRN_ZERO") begin : g_trn_zero
      assign up = negative & (half | sticky);
    end else if (Mode == "AP_RND_ZERO") begin : g_rnd_zero
      assign up = half & (sticky | negative);
    end else if (Mode == "AP_RND_INF") begin : g_rnd_inf
      assign up = half & (sticky | ~negative);
    end else if (Mode == "AP_RND_MIN_INF") begin : g_rnd_min_inf
      assign up = half & sticky;
    end else if (Mode == "AP_RND_CONV") begin : g_rnd_conv
      assign up = half & (sticky | odd);
    end else begin : g_check
      $error("hwqat_round: Mode must be a quantisation mode of ap_fixed");
      assign up = 1'b0;
    end

    logic unused_bits;
    assign unused_bits = ^{negative, odd, half, sticky};

    assign q_o = up ? down + OutBits'(1) : down;
  end

endmodule
