// Cycle model of a dataflow network: processes, bounded FIFOs, blocking reads and writes.
//
// One call simulates a network given as flat arrays (sim/cycles.py makes them). Every cycle each process
// does at most one trip. A FIFO shows what it held when the cycle began: a beat written now can be read
// in the next cycle (the one after, if it has more than two places and so a memory with an output register),
// room made now can be filled in the next cycle. A FIFO of depth 0 is one register inside a stage: it can be
// filled in the cycle in which it is read.
//
// Processes
//   SOURCE  writes a beat whenever there is room, one frame after the other
//   SINK    reads a beat whenever there is one
//   UNIT    trip t of its period reads the inputs and writes the outputs in mask[t]
//   FORK    copies its input to every output, each as soon as that has room
//   WINDOW  two halves around a buffer: the writer takes input beat j of a frame once the reader has
//           written room[j] beats (counted from the frame's start, may be negative); the reader writes
//           output beat k once the writer has taken need[k] beats
//
// A process with latency L is a pipeline: what a trip writes leaves L cycles later, in order, and a full
// FIFO at its end stops the whole pipeline. With latency 0 a trip waits for room for what it writes.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

enum Kind : int32_t { SOURCE, SINK, UNIT, FORK, WINDOW };

struct Fifo {
  int32_t depth = 0, held = 0, most = 0;
  int64_t popped_at = -1, pushed_at = -2;
  bool can_pop(int64_t now) const { return held > (depth > 2 && pushed_at == now - 1); }
  bool can_push(int64_t now) const { return depth ? held + (popped_at == now) < depth : held == 0; }
  void pop(int64_t now) { --held; popped_at = now; }
  void push(int64_t now) { most = std::max(most, ++held); pushed_at = now; }
};

struct Process {
  Kind kind;
  int32_t latency, store;           // store: cycles from a window's write to its first use
  int32_t n_in, n_out;
  const int32_t *in, *out;
  const uint32_t *mask;             // UNIT: bit i reads input i, bit 16 + i writes output i
  int32_t period;
  const int32_t *need, *room;       // WINDOW
  int64_t beats_in, beats_out;      // of one frame (WINDOW, SOURCE, SINK)

  int32_t trip = 0;                 // UNIT: place in the period
  uint32_t sent = 0;                // FORK: outputs that have the beat
  int64_t taken = 0, written = 0;   // beats; WINDOW, SOURCE, SINK
  int64_t frame_in = 0, frame_out = 0, at_in = 0, at_out = 0;
  int64_t clock = 0;                // of the pipeline: stands still while it is stopped
  std::vector<int64_t> due;         // ring of pipeline times, with the outputs they write
  std::vector<uint32_t> what;
  int64_t head = 0, tail = 0;
  std::vector<int64_t> seen;        // WINDOW: ring of `taken`, so that it is used `store` cycles late
  int64_t busy = 0, starved = 0, blocked = 0;

  bool in_flight() const { return head != tail; }
  void put(uint32_t outputs) {
    due[tail & mask_()] = clock + latency;
    what[tail & mask_()] = outputs;
    ++tail;
  }
  int64_t mask_() const { return int64_t(due.size()) - 1; }
};

uint64_t next_random(uint64_t &state) {  // xorshift64*
  state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
  return state * 2685821657736338717ull;
}

struct Simulator {
  std::vector<Fifo> fifos;
  std::vector<Process> processes;  // consumers first
  uint64_t random = 88172645463325252ull;
  uint32_t stall_in = 0, stall_out = 0;  // of 2^16
  int32_t pace = 0;                      // cycles a frame below which no source starts the next one
  int32_t start = 0;                     // cycle in which the sources begin
  int64_t frames = 0;
  int64_t now = 0;
  bool moved = false;

  bool stall(uint32_t chance) { return chance && (next_random(random) >> 48) < chance; }

  // Lets the oldest finished trip out. False: the pipeline is stopped by a full FIFO.
  bool drain(Process &p) {
    if (!p.in_flight() || p.due[p.head & p.mask_()] > p.clock) return true;
    const uint32_t outputs = p.what[p.head & p.mask_()];
    if (!room(p, outputs)) return false;
    push(p, outputs);
    ++p.head;
    return true;
  }

  bool room(const Process &p, uint32_t outputs) const {
    for (int i = 0; i < p.n_out; ++i)
      if (outputs >> i & 1 && !fifos[p.out[i]].can_push(now)) return false;
    return true;
  }

  void push(Process &p, uint32_t outputs) {
    for (int i = 0; i < p.n_out; ++i)
      if (outputs >> i & 1) fifos[p.out[i]].push(now);
    moved = true;
  }

  // What a trip writes: at once, or at the end of the pipeline.
  void write(Process &p, uint32_t outputs) {
    if (p.latency == 0) push(p, outputs);
    else p.put(outputs);
  }

  void unit(Process &p) {
    if (!drain(p)) { ++p.blocked; return; }
    const uint32_t bits = p.mask[p.trip], reads = bits & 0xffff;
    if (p.latency == 0 && !room(p, bits >> 16)) { ++p.blocked; return; }
    bool ready = true;
    for (int i = 0; i < p.n_in; ++i) ready &= !(reads >> i & 1) || fifos[p.in[i]].can_pop(now);
    if (ready) {
      for (int i = 0; i < p.n_in; ++i)
        if (reads >> i & 1) fifos[p.in[i]].pop(now);
      if (bits >> 16) write(p, bits >> 16);
      if (++p.trip == p.period) p.trip = 0;
      ++p.busy;
      moved = true;
    } else {
      ++p.starved;
    }
    moved |= p.in_flight();
    ++p.clock;
  }

  void fork(Process &p) {
    Fifo &input = fifos[p.in[0]];
    if (!input.can_pop(now)) { ++p.starved; return; }
    const uint32_t all = (1u << p.n_out) - 1;
    for (int i = 0; i < p.n_out; ++i)
      if (!(p.sent >> i & 1) && fifos[p.out[i]].can_push(now)) {
        fifos[p.out[i]].push(now);
        p.sent |= 1u << i;
        moved = true;
      }
    if (p.sent == all) {
      input.pop(now);
      p.sent = 0;
      ++p.busy;
    } else {
      ++p.blocked;
    }
  }

  void window(Process &p) {
    // The reader sees what was written `store` cycles ago; the writer sees the reader's last cycle.
    const int64_t read_before = p.frame_out * p.beats_out + p.at_out;
    const int64_t ring = int64_t(p.seen.size());
    const int64_t visible = p.seen[now % ring];
    if (drain(p) && (p.latency || room(p, 1))) {
      if (visible >= p.frame_out * p.beats_in + p.need[p.at_out]) {
        write(p, 1);
        if (++p.at_out == p.beats_out) p.at_out = 0, ++p.frame_out;
        ++p.busy;
        moved = true;
      } else {
        ++p.starved;
      }
      moved |= p.in_flight();
      ++p.clock;
    } else {
      ++p.blocked;
    }
    Fifo &input = fifos[p.in[0]];
    if (input.can_pop(now) && read_before >= p.frame_in * p.beats_out + p.room[p.at_in]) {
      input.pop(now);
      if (++p.at_in == p.beats_in) p.at_in = 0, ++p.frame_in;
      moved = true;
    }
    p.taken = p.frame_in * p.beats_in + p.at_in;
    moved |= p.taken != visible;
    p.seen[now % ring] = p.taken;  // read again `store` cycles from now
  }

  void source(Process &p) {
    if (p.written == frames * p.beats_out) return;
    if (now < start) { moved = true; return; }
    if (pace && now - start < (p.written / p.beats_out) * int64_t(pace)) { moved = true; return; }
    if (stall(stall_in)) { moved = true; return; }
    if (!fifos[p.out[0]].can_push(now)) { ++p.blocked; return; }
    fifos[p.out[0]].push(now);
    ++p.written;
    ++p.busy;
    moved = true;
  }
};

}  // namespace

extern "C" {

// Layout of one process in `table`: kind, latency, store, n_in, n_out, first input, first output (places in
// `links`), mask place, period, need place, room place, beats in, beats out. Returns 0, or 1 on deadlock, or
// 2 when `limit` cycles have passed. finish: (sinks, frames) cycle after each frame's last beat, counted from
// `start`. busy, starved, blocked: cycles of each process. most: beats of each FIFO.
int hwqat_cycles(int32_t n_processes, const int64_t *table, const int32_t *links, const uint32_t *masks,
                 const int32_t *orders, int32_t n_fifos, const int32_t *depths, int64_t frames, int64_t limit,
                 int32_t pace, int32_t start, uint32_t stall_in, uint32_t stall_out, uint64_t seed, int64_t *finish, int64_t *busy,
                 int64_t *starved, int64_t *blocked, int32_t *most, int32_t *held, int64_t *cycles) {
  Simulator s;
  s.frames = frames, s.pace = pace, s.start = start, s.stall_in = stall_in, s.stall_out = stall_out;
  s.random ^= seed * 0x9e3779b97f4a7c15ull;
  s.fifos.resize(n_fifos);
  for (int i = 0; i < n_fifos; ++i) s.fifos[i].depth = depths[i];
  s.processes.resize(n_processes);
  int64_t n_sinks = 0;
  for (int i = 0; i < n_processes; ++i) {
    Process &p = s.processes[i];
    const int64_t *row = table + i * 13;
    p.kind = Kind(row[0]), p.latency = int32_t(row[1]), p.store = int32_t(row[2]);
    p.n_in = int32_t(row[3]), p.n_out = int32_t(row[4]);
    p.in = links + row[5], p.out = links + row[6];
    p.mask = masks + row[7], p.period = int32_t(row[8]);
    p.need = orders + row[9], p.room = orders + row[10];
    p.beats_in = row[11], p.beats_out = row[12];
    int64_t ring = 2;
    while (ring < p.latency + 2) ring *= 2;
    p.due.resize(ring), p.what.resize(ring);
    p.seen.assign(std::max<int32_t>(1, p.store), 0);
    n_sinks += p.kind == SINK;
  }
  int64_t left = n_sinks;  // sinks that still wait for beats
  int result = 0, idle = 0;
  for (; left; ++s.now) {
    if (s.now == limit) { result = 2; break; }
    s.moved = false;
    int64_t sink = 0;
    for (Process &p : s.processes) {
      switch (p.kind) {
        case UNIT: s.unit(p); break;
        case FORK: s.fork(p); break;
        case WINDOW: s.window(p); break;
        case SOURCE: s.source(p); break;
        case SINK: {
          int64_t *row = finish + sink++ * frames;
          if (p.taken == frames * p.beats_in) break;
          if (s.stall(s.stall_out)) { s.moved = true; break; }
          if (!s.fifos[p.in[0]].can_pop(s.now)) { ++p.starved; break; }
          s.fifos[p.in[0]].pop(s.now);
          s.moved = true, ++p.busy;
          if (++p.taken % p.beats_in == 0) row[p.taken / p.beats_in - 1] = s.now + 1 - start;
          left -= p.taken == frames * p.beats_in;
        }
      }
    }
    idle = s.moved ? 0 : idle + 1;
    if (idle > 2) { result = 1; break; }  // a beat may take two cycles to show
  }
  *cycles = s.now;
  for (int i = 0; i < n_processes; ++i) {
    busy[i] = s.processes[i].busy, starved[i] = s.processes[i].starved, blocked[i] = s.processes[i].blocked;
  }
  for (int i = 0; i < n_fifos; ++i) most[i] = s.fifos[i].most, held[i] = s.fifos[i].held;
  return result;
}
}
