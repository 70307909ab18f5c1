// Select: for each pixel, output element c is input element Sources[c], or Zero.
//
// A pixel takes Trips trips: the first InBeats read a beat of Lanes elements, the last OutBeats write one of Pe. An
// element that is not written in the trip that reads it waits in a register.
// Sources packs 16 bits an output element, element 0 in the low bits; all ones: Zero.
// Latency: 0. Throughput: one trip a cycle.
// Cuts: nothing; the FIFO on each port does. in_ready_o depends on out_ready_i only.

module hwqat_select #(
  parameter int unsigned               InBeats  = 1,
  parameter int unsigned               OutBeats = 1,
  parameter int unsigned               Trips    = 1,
  parameter int unsigned               Lanes    = 1,
  parameter int unsigned               Pe       = 1,
  parameter int unsigned               Bits     = 8,
  parameter int                        Zero     = 0,
  parameter logic [OutBeats*Pe*16-1:0] Sources  = '0
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,

  input  logic [Lanes*Bits-1:0] in_data_i,
  input  logic                  in_valid_i,
  output logic                  in_ready_o,

  output logic [Pe*Bits-1:0]    out_data_o,
  output logic                  out_valid_o,
  input  logic                  out_ready_i
);

  localparam int unsigned Lead     = Trips - OutBeats;
  localparam int unsigned TripBits = (Trips > 1) ? $clog2(Trips) : 1;

  if (InBeats > Trips || OutBeats > Trips) begin : g_check
    $error("hwqat_select: Trips must be at least InBeats and OutBeats");
  end

  logic [TripBits-1:0] trip, out_beat;
  logic                reads, writes, step, unused_last;

  hwqat_counter #(.Count(Trips)) u_trip (
    .clk_i, .rst_ni, .step_i(step), .count_o(trip), .last_o(unused_last)
  );

  if (InBeats == Trips) begin : g_always_reads
    assign reads = 1'b1;
  end else begin : g_reads
    assign reads = trip < TripBits'(InBeats);
  end
  if (OutBeats == Trips) begin : g_always_writes
    assign writes   = 1'b1;
    assign out_beat = trip;
  end else begin : g_writes
    assign writes   = trip >= TripBits'(Lead);
    assign out_beat = trip - TripBits'(Lead);
  end

  assign step        = (in_valid_i | ~reads) & (out_ready_i | ~writes);
  assign in_ready_o  = reads & (out_ready_i | ~writes);
  assign out_valid_o = writes & (in_valid_i | ~reads);

  logic [InBeats*Lanes*Bits-1:0] kept_q;  // the beats of the pixel that came already
  logic                          unused_kept;
  assign unused_kept = ^{kept_q, in_data_i};

  for (genvar b = 0; b < InBeats; b++) begin : g_kept
    always_ff @(posedge clk_i) begin
      if (step & (trip == TripBits'(b))) kept_q[b*Lanes*Bits +: Lanes*Bits] <= in_data_i;
    end
  end

  logic [OutBeats*Pe*Bits-1:0] beats;

  for (genvar c = 0; c < OutBeats * Pe; c++) begin : g_element
    localparam int unsigned Source = 32'(Sources[c*16 +: 16]);
    localparam int unsigned Now    = Lead + c / Pe;  // the trip that writes it
    if (Source == 32'hFFFF) begin : g_zero
      assign beats[c*Bits +: Bits] = Bits'(Zero);
    end else if (Source / Lanes == Now) begin : g_passes
      assign beats[c*Bits +: Bits] = in_data_i[(Source % Lanes)*Bits +: Bits];
    end else begin : g_waited
      assign beats[c*Bits +: Bits] = kept_q[Source*Bits +: Bits];
    end
  end

  if (OutBeats > 1) begin : g_choose
    assign out_data_o = beats[32'(out_beat)*Pe*Bits +: Pe*Bits];
  end else begin : g_single
    logic unused_beat;
    assign unused_beat = ^out_beat;
    assign out_data_o  = beats;
  end

endmodule
