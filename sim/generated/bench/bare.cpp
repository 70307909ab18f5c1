// A bare loop around the design, with nothing of cocotb: what the bench's speed is measured against.
//
//   SIMULATOR +in=FILE +in_bytes=N +out=FILE +out_bytes=N
// sends the words of one file to s_axis and compares what m_axis gives with those of the other, without stalls.
// Prints one JSON object: words that differ, cycles and processor seconds of the loop. Without +in= it is the
// bench's own main program: one build, one model, two ways to drive it.
#define main cocotb_main
#include "main.cpp"
#undef main

#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <vector>

namespace {

// Words of a stream, little-endian, as Verilator keeps them too.
struct Words {
  size_t size, count, at = 0;
  std::vector<char> data;
  explicit Words(const std::string &name) : size(std::stoul(plusarg((name + "_bytes").c_str()))) {
    std::ifstream file(plusarg(name.c_str()), std::ios::binary);
    data.assign(std::istreambuf_iterator<char>(file), {});
    count = data.size() / size;
  }
  const char *word() const { return data.data() + at * size; }
};

}  // namespace

int main(int argc, char **argv) {
  Verilated::commandArgs(argc, argv);
  if (plusarg("in").empty()) return cocotb_main(argc, argv);
  const auto top = std::make_unique<Vtop>("");
  Words in("in"), out("out");
  size_t differ = 0;
  long cycles = 0;
  const auto tick = [&] {
    top->ap_clk = 0, top->eval();
    top->ap_clk = 1, top->eval();
  };
  top->ap_rst_n = 0, top->s_axis_TVALID = 0, top->m_axis_TREADY = 1;
  for (int i = 0; i < 4; ++i) tick();
  top->ap_rst_n = 1;
  const std::clock_t begin = std::clock();
  for (; out.at < out.count && cycles < 100000000; ++cycles) {
    top->s_axis_TVALID = in.at < in.count;
    if (in.at < in.count) std::memcpy(&top->s_axis_TDATA, in.word(), in.size);
    top->ap_clk = 0, top->eval();
    const bool sent = top->s_axis_TVALID && top->s_axis_TREADY;
    if (top->m_axis_TVALID) differ += std::memcmp(&top->m_axis_TDATA, out.word(), out.size) != 0, ++out.at;
    top->ap_clk = 1, top->eval();
    in.at += sent;
  }
  differ += out.count - out.at;
  std::printf("{\"differ\": %zu, \"cycles\": %ld, \"cpu_s\": %.4f}\n", differ, cycles, double(std::clock() - begin) / CLOCKS_PER_SEC);
  top->final();
  return differ != 0;
}
