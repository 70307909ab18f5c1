// Records the beats that enter a FIFO. The bench binds one to every hwqat_fifo to find where a frame goes wrong.
//
// The file named by +hwqat_taps= has a line for each FIFO to record: hierarchical name, first beat, number of
// beats, file for the beats (each in whole 32-bit words, the lowest first). At the end FILE.counts says how many
// beats went in and out.

module hwqat_tap #(
  parameter int unsigned Width = 8
) (
  input logic             clk_i,
  input logic             rst_ni,
  input logic [Width-1:0] data_i,
  input logic             valid_i,
  input logic             ready_o,
  input logic             valid_o,
  input logic             ready_i
);

  string  list, name, file;
  int     in_file, out_file;
  longint first, count;
  longint pushed_q, popped_q;

  initial begin
    out_file = 0;
    if ($value$plusargs("hwqat_taps=%s", list)) begin
      in_file = $fopen(list, "r");
      while (out_file == 0 && $fscanf(in_file, "%s %d %d %s\n", name, first, count, file) == 4) begin
        if (name == $sformatf("%m")) out_file = $fopen(file, "wb");
      end
      $fclose(in_file);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      pushed_q <= 0;
      popped_q <= 0;
    end else begin
      if (valid_i && ready_o) begin
        pushed_q <= pushed_q + 1;
        if (out_file != 0 && pushed_q >= first && pushed_q < first + count) $fwrite(out_file, "%u", data_i);
      end
      if (valid_o && ready_i) popped_q <= popped_q + 1;
    end
  end

  final begin
    if (out_file != 0) begin
      $fclose(out_file);
      out_file = $fopen({file, ".counts"}, "w");
      $fwrite(out_file, "%0d %0d\n", pushed_q, popped_q);
      $fclose(out_file);
    end
  end

endmodule

bind hwqat_fifo hwqat_tap #(.Width(Width)) u_tap (.*);
