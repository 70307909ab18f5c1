// Two numbers to one: their sum (modulo 2**Bits) or the larger.
//
// Combinational.

module hwqat_reduce #(
  parameter int unsigned Bits   = 8,
  parameter bit          Signed = 1'b1,
  parameter bit          Max    = 1'b0
) (
  input  logic [Bits-1:0] a_i,
  input  logic [Bits-1:0] b_i,
  output logic [Bits-1:0] result_o
);

  if (!Max) begin : g_sum
    assign result_o = a_i + b_i;
  end else if (Signed) begin : g_signed
    assign result_o = ($signed(a_i) > $signed(b_i)) ? a_i : b_i;
  end else begin : g_unsigned
    assign result_o = (a_i > b_i) ? a_i : b_i;
  end

endmodule
