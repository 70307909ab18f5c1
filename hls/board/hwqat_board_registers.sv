// What a host reads and sets, behind AXI4-Lite of 32 bits.
//
//   0x00        IDENTITY   "HWQB"                                              read
//   0x04        VERSION    of this table: 1                                    read
//   0x08..0x14  DIGEST     of the build, 128 bits, the lowest word first       read
//   0x18        BATCH      frames of a batch: TLAST ends each (reset: 1)       read, write
//   0x1c        PATIENCE   cycles for which a beat may wait at an output       read, write
//   0x20        FLAGS      bit i: TLAST cut a frame short at input i           read, write 1 to clear
//                          bit 16 + i: a beat waited too long at output i
//   0x24        CYCLES     of the latest batch: first beat in to last beat out read
//   0x40 + 4 i  FRAMES_IN  frames taken at input i since the reset             read
//   0x80 + 4 i  FRAMES_OUT frames taken at output i since the reset            read
//
// Elsewhere reads give 0 and writes do nothing. Both answer OKAY. One read and one write at a time.

module hwqat_board_registers #(
  parameter int unsigned  Inputs   = 1,
  parameter int unsigned  Outputs  = 1,
  parameter logic [127:0] Digest   = '0,
  parameter logic [31:0]  Patience = 32'd1_000_000
) (
  input  logic        clk_i,
  input  logic        rst_ni,

  // AXI4-Lite
  input  logic [7:0]  awaddr_i,
  input  logic        awvalid_i,
  output logic        awready_o,
  input  logic [31:0] wdata_i,
  input  logic [3:0]  wstrb_i,
  input  logic        wvalid_i,
  output logic        wready_o,
  output logic [1:0]  bresp_o,
  output logic        bvalid_o,
  input  logic        bready_i,
  input  logic [7:0]  araddr_i,
  input  logic        arvalid_i,
  output logic        arready_o,
  output logic [31:0] rdata_o,
  output logic [1:0]  rresp_o,
  output logic        rvalid_o,
  input  logic        rready_i,

  // What happens on the streams, a cycle each
  input  logic [Inputs-1:0]  begins_i,
  input  logic [Inputs-1:0]  ends_i,
  input  logic [Inputs-1:0]  cut_i,
  input  logic [Outputs-1:0] sent_i,
  input  logic [Outputs-1:0] done_i,
  input  logic [Outputs-1:0] stall_i,

  output logic [31:0] batch_o,
  output logic [31:0] patience_o
);

  localparam logic [31:0] Identity = 32'h42_51_57_48;  // "HWQB" in memory
  localparam logic [31:0] Version  = 32'd1;

  if (Inputs < 1 || Inputs > 16 || Outputs < 1 || Outputs > 16) begin : g_check
    $error("hwqat_board_registers: there are registers for 1 to 16 inputs and outputs");
  end

  logic [31:0] batch_q, patience_q, flags_q, cycles_q, timer_q;
  logic [31:0] frames_in_q [Inputs];
  logic [31:0] frames_out_q [Outputs];
  logic        running_q;
  logic [Outputs-1:0] done_q;  // outputs that have given all of this batch

  assign batch_o    = batch_q;
  assign patience_o = patience_q;

  // ---- Writes: address and data are taken in any order, and the answer follows when both are there.

  logic [5:0]  write_q;  // number of the register
  logic [31:0] data_q;
  logic [3:0]  strobe_q;
  logic        has_address_q, has_data_q, answer_q, act;

  assign awready_o = ~has_address_q;
  assign wready_o  = ~has_data_q;
  assign bvalid_o  = answer_q;
  assign bresp_o   = 2'b00;
  assign act       = has_address_q & has_data_q & ~answer_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      has_address_q <= 1'b0;
      has_data_q    <= 1'b0;
      answer_q      <= 1'b0;
    end else begin
      if (act)            has_address_q <= 1'b0;
      else if (awvalid_i) has_address_q <= 1'b1;
      if (act)            has_data_q    <= 1'b0;
      else if (wvalid_i)  has_data_q    <= 1'b1;
      if (act)            answer_q      <= 1'b1;
      else if (bready_i)  answer_q      <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (awvalid_i & awready_o) write_q <= awaddr_i[7:2];
    if (wvalid_i & wready_o) begin
      data_q   <= wdata_i;
      strobe_q <= wstrb_i;
    end
  end

  logic [31:0] mask;  // of the bytes that are written
  always_comb begin
    for (int i = 0; i < 32; i++) mask[i] = strobe_q[i / 8];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      batch_q    <= 32'd1;
      patience_q <= Patience;
    end else if (act) begin
      if (write_q == 6'h06) batch_q    <= (batch_q    & ~mask) | (data_q & mask);
      if (write_q == 6'h07) patience_q <= (patience_q & ~mask) | (data_q & mask);
    end
  end

  // ---- Flags stay until they are cleared; one that is seen in the same cycle wins.

  logic [31:0] seen, cleared;
  assign seen    = {16'(stall_i), 16'(cut_i)};
  assign cleared = (act && write_q == 6'h08) ? (data_q & mask) : '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) flags_q <= '0;
    else         flags_q <= (flags_q & ~cleared) | seen;
  end

  // ---- Counters

  for (genvar i = 0; i < int'(Inputs); i++) begin : g_in
    always_ff @(posedge clk_i) begin
      if (!rst_ni)        frames_in_q[i] <= '0;
      else if (ends_i[i]) frames_in_q[i] <= frames_in_q[i] + 1'b1;
    end
  end

  for (genvar i = 0; i < int'(Outputs); i++) begin : g_out
    always_ff @(posedge clk_i) begin
      if (!rst_ni)        frames_out_q[i] <= '0;
      else if (sent_i[i]) frames_out_q[i] <= frames_out_q[i] + 1'b1;
    end
  end

  // A batch is timed from its first beat in to its last beat out, both included; the next one begins after it.
  logic all_done;
  assign all_done = &(done_q | done_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      running_q <= 1'b0;
      done_q    <= '0;
      timer_q   <= '0;
      cycles_q  <= '0;
    end else begin
      running_q <= (running_q | (|begins_i)) & ~all_done;
      done_q    <= all_done ? '0 : done_q | done_i;
      timer_q   <= running_q ? timer_q + 1'b1 : 32'd1;
      if (all_done) cycles_q <= timer_q + 1'b1;
    end
  end

  // ---- Reads

  logic [31:0] found, word_q;
  logic        word_valid_q;

  assign arready_o = ~word_valid_q;
  assign rvalid_o  = word_valid_q;
  assign rdata_o   = word_q;
  assign rresp_o   = 2'b00;

  always_comb begin
    found = '0;
    unique case (araddr_i[7:2])
      6'h00: found = Identity;
      6'h01: found = Version;
      6'h02: found = Digest[31:0];
      6'h03: found = Digest[63:32];
      6'h04: found = Digest[95:64];
      6'h05: found = Digest[127:96];
      6'h06: found = batch_q;
      6'h07: found = patience_q;
      6'h08: found = flags_q;
      6'h09: found = cycles_q;
      default: begin
        for (int i = 0; i < int'(Inputs); i++)  if (araddr_i[7:2] == 6'h10 + 6'(i)) found = frames_in_q[i];
        for (int i = 0; i < int'(Outputs); i++) if (araddr_i[7:2] == 6'h20 + 6'(i)) found = frames_out_q[i];
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni)        word_valid_q <= 1'b0;
    else if (arready_o) word_valid_q <= arvalid_i;
    else if (rready_i)  word_valid_q <= 1'b0;
  end

  always_ff @(posedge clk_i) begin
    if (arvalid_i & arready_o) word_q <= found;
  end

  // A register is a whole word: the lowest bits of an address say nothing.
  logic unused_address;
  assign unused_address = ^{awaddr_i[1:0], araddr_i[1:0]};

endmodule
