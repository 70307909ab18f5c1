// Counter 0, 1, ..., Count - 1, 0, ...; the index of one loop.
//
//   count_o advances when step_i is high; last_o: it stands on Count - 1
//
// No registers at all where Count is 1.

module hwqat_counter #(
  parameter int unsigned Count = 2,
  localparam int unsigned Bits = (Count > 1) ? $clog2(Count) : 1
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            step_i,
  output logic [Bits-1:0] count_o,
  output logic            last_o
);

  if (Count < 1) begin : g_check
    $error("hwqat_counter: Count must be at least 1");
  end

  if (Count > 1) begin : g_count
    logic [Bits-1:0] count_q;

    assign count_o = count_q;
    assign last_o  = count_q == Bits'(Count - 1);

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        count_q <= '0;
      end else if (step_i) begin
        count_q <= last_o ? '0 : count_q + 1'b1;
      end
    end
  end else begin : g_constant
    logic unused_inputs;
    assign unused_inputs = ^{clk_i, rst_ni, step_i};
    assign count_o = '0;
    assign last_o  = 1'b1;
  end

endmodule
