// FIFO between two stages.
//
//   data_o is data_i, in order; holds up to Depth beats.
//
// Latency: 1 cycle at Depth 2 (two registers), 2 cycles above (memory with a registered output).
// Throughput: one beat a cycle at any depth.
// Cuts: valid and data forwards, ready backwards. ready_o does not depend on valid_i or ready_i.

module hwqat_fifo #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 2
) (
  input  logic             clk_i,
  input  logic             rst_ni,

  input  logic [Width-1:0] data_i,
  input  logic             valid_i,
  output logic             ready_o,

  output logic [Width-1:0] data_o,
  output logic             valid_o,
  input  logic             ready_i
);

  logic [Width-1:0] data_q;
  logic             valid_q;
  logic             push, load;

  assign data_o  = data_q;
  assign valid_o = valid_q;
  assign push    = valid_i & ready_o;
  assign load    = ready_i | ~valid_q;  // the output register is free at the next edge

  if (Depth < 2) begin : g_check
    $error("hwqat_fifo: Depth must be at least 2 to keep one beat a cycle");
  end else if (Depth == 2) begin : g_registers
    logic [Width-1:0] spare_q;
    logic             full_q;

    assign ready_o = ~full_q;

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        valid_q <= 1'b0;
        full_q  <= 1'b0;
      end else if (load) begin
        valid_q <= full_q | push;
        full_q  <= 1'b0;
      end else if (push) begin
        full_q  <= 1'b1;
      end
    end

    always_ff @(posedge clk_i) begin
      if (load) data_q  <= full_q ? spare_q : data_i;
      if (push) spare_q <= data_i;
    end
  end else begin : g_memory
    // The output register holds one beat, the memory the rest.
    localparam int unsigned Words    = Depth - 1;
    localparam int unsigned AddrBits = $clog2(Words);
    localparam int unsigned UseBits  = $clog2(Words + 1);
    localparam logic [AddrBits-1:0] LastAddr = AddrBits'(Words - 1);

    // What is read was written in an earlier cycle: synthesis need not build what a memory lacks for the rest.
    (* no_rw_check *) logic [Width-1:0] mem [Words];
    logic [AddrBits-1:0] write_q, read_q;
    logic [UseBits-1:0]  used_q;
    logic                pop;

    assign ready_o = used_q != UseBits'(Words);
    assign pop     = load & (used_q != '0);

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        write_q <= '0;
        read_q  <= '0;
        used_q  <= '0;
        valid_q <= 1'b0;
      end else begin
        if (push) write_q <= (write_q == LastAddr) ? '0 : write_q + 1'b1;
        if (pop)  read_q  <= (read_q  == LastAddr) ? '0 : read_q  + 1'b1;
        if (push & ~pop) used_q <= used_q + 1'b1;
        if (pop & ~push) used_q <= used_q - 1'b1;
        if (load) valid_q <= pop;
      end
    end

    always_ff @(posedge clk_i) begin
      if (push) mem[write_q] <= data_i;
    end

    always_ff @(posedge clk_i) begin
      if (pop) data_q <= mem[read_q];
    end
  end

endmodule
