// Place: a counter 0..Count-1, and that times Stride.
//
//   step_i advances; carry_o: it does, and begins anew
//
// No registers at all where Count is 1.

module hwqat_place #(
  parameter int unsigned Bits   = 8,
  parameter int unsigned Count  = 1,
  parameter int unsigned Stride = 0
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            step_i,
  output logic [Bits-1:0] place_o,
  output logic            carry_o
);

  localparam int unsigned CountBits = (Count > 1) ? $clog2(Count) : 1;

  logic [CountBits-1:0] unused_count;
  logic                 last;

  hwqat_counter #(.Count(Count)) u_count (
    .clk_i, .rst_ni, .step_i, .count_o(unused_count), .last_o(last)
  );
  assign carry_o = step_i & last;

  if (Count > 1) begin : g_place
    logic [Bits-1:0] place_q;
    assign place_o = place_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        place_q <= '0;
      end else if (step_i) begin
        place_q <= last ? '0 : place_q + Bits'(Stride);
      end
    end
  end else begin : g_nothing
    assign place_o = '0;
  end

endmodule
