// Main program of a simulator that cocotb drives through VPI.
//
// One turn of the outer loop is one time step: timed callbacks (the clock), then the design and the values
// that cocotb writes until nothing changes any more, then read-only callbacks; time then goes to the next
// callback. With +hwqat_waves=FILE +hwqat_from=T +hwqat_to=T the steps from T to T are recorded as FST
// (in a build that can). With +hwqat_period=T ap_clk rises every T steps by itself: a clock of cocotb costs
// two callbacks a cycle.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "Vtop.h"
#include "verilated.h"
#include "verilated_vpi.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#endif

extern "C" void vlog_startup_routines_bootstrap();  // cocotb's

namespace {

uint64_t now = 0;

// The value of +NAME=VALUE, empty where there is none.
std::string plusarg(const char *name) {
  const std::string prefix = std::string("+") + name + "=";
  const std::string found = Verilated::threadContextp()->commandArgsPlusMatch((std::string(name) + "=").c_str());
  return found.compare(0, prefix.size(), prefix) ? std::string() : found.substr(prefix.size());
}

void call_value_callbacks() {  // a callback may change values that others wait for
  while (VerilatedVpi::callValueCbs()) {
  }
}

void settle(Vtop &top) {
  do {
    do {
      top.eval_step();
      VerilatedVpi::clearEvalNeeded();
      VerilatedVpi::doInertialPuts();
      call_value_callbacks();
    } while (VerilatedVpi::evalNeeded());
    VerilatedVpi::callCbs(cbReadWriteSynch);
    VerilatedVpi::doInertialPuts();
    call_value_callbacks();
  } while (VerilatedVpi::evalNeeded());
  top.eval_end_step();
  VerilatedVpi::callCbs(cbReadOnlySynch);
}

// ap_clk, where the bench does not drive it.
class Clock {
 public:
  explicit Clock(Vtop &top) : top_(top), half_(std::strtoull(plusarg("hwqat_period").c_str(), nullptr, 10) / 2) {}

  uint64_t next() const { return half_ ? (now / half_ + 1) * half_ : ~uint64_t(0); }

  void step() {
    if (half_ && now % half_ == 0) top_.ap_clk = now / half_ % 2;
  }

 private:
  Vtop &top_;
  uint64_t half_;
};

// The part of a simulation that is recorded.
class Waves {
 public:
  explicit Waves(Vtop &top) : top_(top), file_(plusarg("hwqat_waves")) {
    from_ = std::strtoull(plusarg("hwqat_from").c_str(), nullptr, 10);
    to_ = std::strtoull(plusarg("hwqat_to").c_str(), nullptr, 10);
#if VM_TRACE_FST
    if (file_.empty()) return;
    Verilated::traceEverOn(true);
    top_.trace(&fst_, 99);
#endif
  }

  void step() {
#if VM_TRACE_FST
    if (file_.empty() || now < from_) return;
    if (now > to_) return close();
    if (!fst_.isOpen()) fst_.open(file_.c_str());
    fst_.dump(now);
#endif
  }

  void close() {
#if VM_TRACE_FST
    if (fst_.isOpen()) fst_.close();
#endif
  }

 private:
  Vtop &top_;
  std::string file_;
  uint64_t from_ = 0, to_ = 0;
#if VM_TRACE_FST
  VerilatedFstC fst_;
#endif
};

}  // namespace

double sc_time_stamp() { return double(now); }  // what $time and VPI read

int main(int argc, char **argv) {
  Verilated::commandArgs(argc, argv);
  Verilated::fatalOnVpiError(false);
  const auto top = std::make_unique<Vtop>("");
  Clock clock(*top);
  Waves waves(*top);

  vlog_startup_routines_bootstrap();
  VerilatedVpi::callCbs(cbStartOfSimulation);
  call_value_callbacks();
  while (!Verilated::gotFinish()) {
    settle(*top);
    waves.step();
    const uint64_t deadline = VerilatedVpi::cbNextDeadline();
    if (deadline == ~uint64_t(0) && !VerilatedVpi::hasCbs(cbValueChange)) break;  // nobody waits for anything
    now = std::min(deadline, clock.next());
    if (now == ~uint64_t(0)) break;
    VerilatedVpi::callCbs(cbNextSimTime);
    call_value_callbacks();
    clock.step();
    VerilatedVpi::callTimedCbs();
    VerilatedVpi::doInertialPuts();  // cocotb's clock: one evaluation an edge, not one before it and one after
    call_value_callbacks();
  }
  top->final();
  waves.close();
  VerilatedVpi::callCbs(cbEndOfSimulation);
  return Verilated::threadContextp()->errorCount() > 0;
}
