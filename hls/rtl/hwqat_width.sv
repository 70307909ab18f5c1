// Width converter: LanesIn elements a beat to LanesOut elements a beat; one divides the other.
//
//   the elements leave in the order in which they came, element 0 first
//
// Latency: 1 cycle after the last beat that an output beat needs.
// Throughput: one beat of the narrow side a cycle.
// Cuts: valid and data; out_ready_i reaches in_ready_o through one gate.

module hwqat_width #(
  parameter int unsigned LanesIn  = 1,
  parameter int unsigned LanesOut = 1,
  parameter int unsigned Bits     = 8
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,

  input  logic [LanesIn*Bits-1:0]  in_data_i,
  input  logic                     in_valid_i,
  output logic                     in_ready_o,

  output logic [LanesOut*Bits-1:0] out_data_o,
  output logic                     out_valid_o,
  input  logic                     out_ready_i
);

  if (LanesIn % LanesOut != 0 && LanesOut % LanesIn != 0) begin : g_check
    $error("hwqat_width: one of LanesIn and LanesOut must divide the other");
  end

  if (LanesIn > LanesOut) begin : g_split
    localparam int unsigned Parts     = LanesIn / LanesOut;
    localparam int unsigned PartWidth = LanesOut * Bits;
    localparam int unsigned LeftBits  = $clog2(Parts + 1);

    logic [LanesIn*Bits-1:0] data_q;
    logic [LeftBits-1:0]     left_q;  // parts still to leave

    assign out_data_o  = data_q[PartWidth-1:0];
    assign out_valid_o = left_q != '0;
    assign in_ready_o  = ~out_valid_o | (out_ready_i & (left_q == LeftBits'(1)));

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        left_q <= '0;
      end else if (in_valid_i & in_ready_o) begin
        left_q <= LeftBits'(Parts);
      end else if (out_valid_o & out_ready_i) begin
        left_q <= left_q - 1'b1;
      end
    end

    always_ff @(posedge clk_i) begin
      if (in_ready_o) begin
        data_q <= in_data_i;
      end else if (out_ready_i) begin
        data_q <= data_q >> PartWidth;
      end
    end
  end else if (LanesIn < LanesOut) begin : g_gather
    localparam int unsigned Parts     = LanesOut / LanesIn;
    localparam int unsigned PartWidth = LanesIn * Bits;
    localparam int unsigned HaveBits  = $clog2(Parts + 1);

    logic [LanesOut*Bits-1:0] data_q;
    logic [HaveBits-1:0]      have_q;  // parts that are here
    logic                     push;

    assign out_data_o  = data_q;
    assign out_valid_o = have_q == HaveBits'(Parts);
    assign in_ready_o  = ~out_valid_o | out_ready_i;
    assign push        = in_valid_i & in_ready_o;

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        have_q <= '0;
      end else if (out_valid_o & out_ready_i) begin
        have_q <= HaveBits'(push);
      end else if (push) begin
        have_q <= have_q + 1'b1;
      end
    end

    always_ff @(posedge clk_i) begin
      if (push) data_q <= {in_data_i, data_q[LanesOut*Bits-1:PartWidth]};
    end
  end else begin : g_same
    logic unused_clocks;
    assign unused_clocks = ^{clk_i, rst_ni};
    assign out_data_o  = in_data_i;
    assign out_valid_o = in_valid_i;
    assign in_ready_o  = out_ready_i;
  end

endmodule
