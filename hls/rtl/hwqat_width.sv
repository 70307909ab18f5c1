// Width converter: LanesIn elements a beat to LanesOut elements a beat; one divides the other.
//
//   the elements leave in the order in which they came, element 0 first
//
// Latency: 1 cycle after the last beat that an output beat needs.
// Throughput: one beat of the narrow side a cycle.
// Cuts: valid and data; ready_i reaches ready_o through one gate.

module hwqat_width #(
  parameter int unsigned LanesIn  = 1,
  parameter int unsigned LanesOut = 1,
  parameter int unsigned Bits     = 8
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,

  input  logic [LanesIn*Bits-1:0]  data_i,
  input  logic                     valid_i,
  output logic                     ready_o,

  output logic [LanesOut*Bits-1:0] data_o,
  output logic                     valid_o,
  input  logic                     ready_i
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

    assign data_o  = data_q[PartWidth-1:0];
    assign valid_o = left_q != '0;
    assign ready_o = ~valid_o | (ready_i & (left_q == LeftBits'(1)));

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        left_q <= '0;
      end else if (valid_i & ready_o) begin
        left_q <= LeftBits'(Parts);
      end else if (valid_o & ready_i) begin
        left_q <= left_q - 1'b1;
      end
    end

    always_ff @(posedge clk_i) begin
      if (ready_o) begin
        data_q <= data_i;
      end else if (ready_i) begin
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

    assign data_o  = data_q;
    assign valid_o = have_q == HaveBits'(Parts);
    assign ready_o = ~valid_o | ready_i;
    assign push    = valid_i & ready_o;

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        have_q <= '0;
      end else if (valid_o & ready_i) begin
        have_q <= HaveBits'(push);
      end else if (push) begin
        have_q <= have_q + 1'b1;
      end
    end

    always_ff @(posedge clk_i) begin
      if (push) data_q <= {data_i, data_q[LanesOut*Bits-1:PartWidth]};
    end
  end else begin : g_same
    logic unused_clocks;
    assign unused_clocks = ^{clk_i, rst_ni};
    assign data_o  = data_i;
    assign valid_o = valid_i;
    assign ready_o = ready_i;
  end

endmodule
