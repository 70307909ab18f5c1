// Reorder: the beats of a unit of an image leave in another order, or several times.
//
//   out[unit, i0, i1, i2, i3] = in[unit, i0*Stride0 + i1*Stride1 + i2*Stride2 + i3*Stride3]
//
// A memory of two units: one is filled while the one before leaves, so that a frame takes a period more than it has
// Units. A period is InBeats trips, or Count0 * Count1 * Count2 * Count3 if those are more.
// Latency: 1 cycle. Throughput: one trip a cycle.
// Cuts: valid and data; out_ready_i reaches in_ready_o through one gate.

module hwqat_reorder #(
  parameter int unsigned Units   = 1,
  parameter int unsigned InBeats = 1,
  parameter int unsigned Pe      = 1,
  parameter int unsigned Bits    = 8,
  parameter int unsigned Count0  = 1,
  parameter int unsigned Stride0 = 0,
  parameter int unsigned Count1  = 1,
  parameter int unsigned Stride1 = 0,
  parameter int unsigned Count2  = 1,
  parameter int unsigned Stride2 = 0,
  parameter int unsigned Count3  = 1,
  parameter int unsigned Stride3 = 0
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

  localparam int unsigned OutBeats   = Count0 * Count1 * Count2 * Count3;
  localparam int unsigned Trips      = (InBeats > OutBeats) ? InBeats : OutBeats;
  localparam int unsigned TripBits   = (Trips > 1) ? $clog2(Trips) : 1;
  localparam int unsigned PeriodBits = $clog2(Units + 1);
  localparam int unsigned PlaceBits  = $clog2(2 * InBeats);

  logic [TripBits-1:0]   trip;
  logic [PeriodBits-1:0] period;
  logic                  trip_last, period_last, reads, writes, step, en, out_valid_q, odd_q;

  hwqat_counter #(.Count(Trips)) u_trip (
    .clk_i, .rst_ni, .step_i(step), .count_o(trip), .last_o(trip_last)
  );
  hwqat_counter #(.Count(Units + 1)) u_period (
    .clk_i, .rst_ni, .step_i(step & trip_last), .count_o(period), .last_o(period_last)
  );

  // Which trips of a period read, and which write.
  logic in_time, out_time;
  if (InBeats == Trips) begin : g_reads_all
    assign in_time = 1'b1;
  end else begin : g_reads_some
    assign in_time = trip < TripBits'(InBeats);
  end
  if (OutBeats == Trips) begin : g_writes_all
    assign out_time = 1'b1;
  end else begin : g_writes_some
    assign out_time = trip < TripBits'(OutBeats);
  end

  assign reads       = in_time & ~period_last;
  assign writes      = out_time & (period != '0);
  assign en          = ~out_valid_q | out_ready_i;
  assign step        = (in_valid_i | ~reads) & en;
  assign in_ready_o  = reads & en;
  assign out_valid_o = out_valid_q;

  // Half of the memory that is filled in this period; the other one leaves.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      odd_q <= 1'b0;
    end else if (step & trip_last) begin
      odd_q <= ~odd_q;
    end
  end

  logic [PlaceBits-1:0] at, from;
  assign at = PlaceBits'(trip) + (odd_q ? PlaceBits'(InBeats) : '0);

  hwqat_places #(
    .Bits(PlaceBits),
    .Count0(Count0), .Stride0(Stride0), .Count1(Count1), .Stride1(Stride1),
    .Count2(Count2), .Stride2(Stride2), .Count3(Count3), .Stride3(Stride3)
  ) u_places (
    .clk_i, .rst_ni, .step_i(step & writes), .first_i(odd_q ? '0 : PlaceBits'(InBeats)), .place_o(from)
  );

  // A word is never read in the cycle in which it is written: the halves differ.
  (* no_rw_check *) logic [Pe*Bits-1:0] beats [2*InBeats];
  logic [Pe*Bits-1:0] data_q;

  always_ff @(posedge clk_i) begin
    if (step & reads) beats[at] <= in_data_i;
  end
  always_ff @(posedge clk_i) begin
    if (step & writes) data_q <= beats[from];
  end

  assign out_data_o = data_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      out_valid_q <= 1'b0;
    end else if (en) begin
      out_valid_q <= step & writes;
    end
  end

endmodule
