// Cycle model of a dataflow network: processes, bounded FIFOs, blocking reads and writes.
//
// One call simulates a network given as flat arrays (sim/models/cycles.py makes them). Every cycle each process
// does at most one trip. A FIFO shows what it held when the cycle began: a beat written now can be read
// in the next cycle (the one after, if it has more than two places and so a memory with an output register),
// room made now can be filled in the next cycle. A FIFO of depth 0 is one register inside a stage: it can be
// filled in the cycle in which it is read.
//
// Processes
//   SOURCE  writes a beat whenever there is room, one frame after the other
//   SINK    reads a beat whenever there is one
//   UNIT    trip t of its period moves what trips[t] says: it reads some inputs and writes some outputs
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
  int32_t source = 0, sink = 0;  // processes
  bool can_pop(int64_t now) const { return held > (depth > 2 && pushed_at == now - 1); }
  bool can_push(int64_t now) const { return depth ? held + (popped_at == now) < depth : held == 0; }
};

// What a trip moves: places among a process's inputs and outputs, however many it has.
struct Moves {
  int32_t n_reads, n_writes;
  const int32_t *reads, *writes;
};

struct Process {
  Kind kind;
  int32_t latency;
  int32_t n_in, n_out;
  const int32_t *in, *out;
  const int32_t *trips;             // UNIT: for each trip of a period, which of the simulator's moves it makes
  int32_t period;
  const int32_t *need, *room;       // WINDOW
  int64_t beats_in, beats_out;      // of one frame (WINDOW, SOURCE, SINK)

  int32_t trip = 0;                 // UNIT: place in the period
  std::vector<char> has;            // FORK: outputs that have the beat
  int32_t sent = 0;                 // FORK: how many
  int64_t taken = 0, written = 0;   // beats; SINK, SOURCE
  int64_t number = 0;               // SINK: its row of `finish`
  int64_t frame_in = 0, frame_out = 0, at_in = 0, at_out = 0;
  int64_t clock = 0;                // of the pipeline: stands still while it is stopped
  std::vector<int64_t> due;         // ring of pipeline times, with what is written then
  std::vector<const Moves *> what;
  int64_t head = 0, tail = 0;
  int64_t seen = 0;                 // WINDOW: beats taken when the cycle began
  int64_t busy = 0;

  bool in_flight() const { return head != tail; }
  void put(const Moves &moves) {
    due[tail & mask_()] = clock + latency;
    what[tail & mask_()] = &moves;
    ++tail;
  }
  int64_t mask_() const { return int64_t(due.size()) - 1; }
};

const int32_t FIRST = 0;
const Moves ONE_OUT = {0, 1, nullptr, &FIRST};  // of a WINDOW

uint64_t next_random(uint64_t &state) {  // xorshift64*
  state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
  return state * 2685821657736338717ull;
}

struct Simulator {
  std::vector<Fifo> fifos;
  std::vector<Process> processes;  // consumers first
  std::vector<Moves> moves;
  uint64_t random = 88172645463325252ull;
  uint32_t stall_in = 0, stall_out = 0;  // of 2^16
  int32_t pace = 0;                      // cycles over which a source spreads a frame's beats, at least
  int32_t start = 0;                     // cycle in which the sources begin
  int64_t frames = 0;
  int64_t now = 0;
  // Last cycle in which each process is looked at: one that cannot go on sleeps until a neighbour moves. What
  // a neighbour does shows in the next cycle, or, through a memory, in the one after.
  std::vector<int64_t> awake;
  int at = 0;  // the process at work

  void go_on() { awake[at] = std::max(awake[at], now + 1); }
  void pop(int fifo) {
    Fifo &f = fifos[fifo];
    --f.held, f.popped_at = now;
    awake[f.source] = now + 2;
    go_on();
  }
  void push(int fifo) {
    Fifo &f = fifos[fifo];
    f.most = std::max(f.most, ++f.held), f.pushed_at = now;
    awake[f.sink] = now + 2;
    go_on();
  }

  bool stall(uint32_t chance) { return chance && (next_random(random) >> 48) < chance; }

  // Lets the oldest finished trip out. False: the pipeline is stopped by a full FIFO.
  bool drain(Process &p) {
    if (!p.in_flight() || p.due[p.head & p.mask_()] > p.clock) return true;
    const Moves &moves = *p.what[p.head & p.mask_()];
    if (!room(p, moves)) return false;
    emit(p, moves);
    ++p.head;
    return true;
  }

  bool room(const Process &p, const Moves &moves) const {
    for (int i = 0; i < moves.n_writes; ++i)
      if (!fifos[p.out[moves.writes[i]]].can_push(now)) return false;
    return true;
  }

  void emit(Process &p, const Moves &moves) {
    for (int i = 0; i < moves.n_writes; ++i) push(p.out[moves.writes[i]]);
  }

  // What a trip writes: at once, or at the end of the pipeline.
  void write(Process &p, const Moves &moves) {
    if (p.latency == 0) emit(p, moves);
    else p.put(moves);
  }

  void unit(Process &p) {
    if (!drain(p)) return;
    const Moves &step = moves[p.trips[p.trip]];
    if (p.latency == 0 && !room(p, step)) return;
    bool ready = true;
    for (int i = 0; i < step.n_reads; ++i) ready &= fifos[p.in[step.reads[i]]].can_pop(now);
    if (ready) {
      for (int i = 0; i < step.n_reads; ++i) pop(p.in[step.reads[i]]);
      if (step.n_writes) write(p, step);
      if (++p.trip == p.period) p.trip = 0;
      ++p.busy;
      go_on();
    }
    if (p.in_flight()) go_on();
    ++p.clock;
  }

  void fork(Process &p) {
    Fifo &input = fifos[p.in[0]];
    if (!input.can_pop(now)) return;
    for (int i = 0; i < p.n_out; ++i)
      if (!p.has[i] && fifos[p.out[i]].can_push(now)) {
        push(p.out[i]);
        p.has[i] = 1;
        ++p.sent;
      }
    if (p.sent == p.n_out) {
      pop(p.in[0]);
      p.has.assign(p.n_out, 0);
      p.sent = 0;
      ++p.busy;
    }
  }

  void window(Process &p) {
    // Reader and writer see what the other had done when the cycle began.
    const int64_t read_before = p.frame_out * p.beats_out + p.at_out;
    const int64_t visible = p.seen;
    if (drain(p) && (p.latency || room(p, ONE_OUT))) {
      if (visible >= p.frame_out * p.beats_in + p.need[p.at_out]) {
        write(p, ONE_OUT);
        if (++p.at_out == p.beats_out) p.at_out = 0, ++p.frame_out;
        ++p.busy;
        go_on();
      }
      if (p.in_flight()) go_on();
      ++p.clock;
    }
    Fifo &input = fifos[p.in[0]];
    if (input.can_pop(now) && read_before >= p.frame_in * p.beats_out + p.room[p.at_in]) {
      pop(p.in[0]);
      if (++p.at_in == p.beats_in) p.at_in = 0, ++p.frame_in;
    }
    p.seen = p.frame_in * p.beats_in + p.at_in;
  }

  void source(Process &p) {
    if (p.written == frames * p.beats_out) return;
    if (!fifos[p.out[0]].can_push(now)) return;
    go_on();
    if (now < start || now - start < p.written * pace / p.beats_out || stall(stall_in)) return;
    push(p.out[0]);
    ++p.written;
    ++p.busy;
  }

  // True when the last beat of the last frame has come.
  bool sink(Process &p, int64_t frames, int64_t *finish) {
    if (p.taken == frames * p.beats_in || !fifos[p.in[0]].can_pop(now)) return false;
    if (stall(stall_out)) { go_on(); return false; }
    pop(p.in[0]);
    ++p.busy;
    if (++p.taken % p.beats_in == 0) finish[p.taken / p.beats_in - 1] = now + 1 - start;
    return p.taken == frames * p.beats_in;
  }
};

}  // namespace

extern "C" {

// Layout of one process in `table`: kind, latency, n_in, n_out, first input, first output (places in
// `links`), trips place, period, need place, room place, beats in, beats out. Of one row of `moves`: how many inputs
// are read, how many outputs are written, their place in `ends` (inputs first). Returns 0, or 1 on deadlock, or
// 2 when `limit` cycles have passed. finish: (sinks, frames) cycle after each frame's last beat, counted from
// `start`. busy: trips of each process. most: beats of each FIFO.
int hwqat_cycles(int32_t n_processes, const int64_t *table, const int32_t *links, const int32_t *trips,
                 int32_t n_moves, const int32_t *moves, const int32_t *ends, const int32_t *orders, int32_t n_fifos, const int32_t *depths, int64_t frames, int64_t limit,
                 int32_t pace, int32_t start, uint32_t stall_in, uint32_t stall_out, uint64_t seed, int64_t *finish, int64_t *busy,
                 int32_t *most, int32_t *held, int64_t *cycles) {
  Simulator s;
  s.frames = frames, s.pace = pace, s.start = start, s.stall_in = stall_in, s.stall_out = stall_out;
  s.random ^= seed * 0x9e3779b97f4a7c15ull;
  s.fifos.resize(n_fifos);
  for (int i = 0; i < n_fifos; ++i) s.fifos[i].depth = depths[i];
  s.processes.resize(n_processes);
  for (int i = 0; i < n_moves; ++i) {
    const int32_t *row = moves + i * 3;
    s.moves.push_back({row[0], row[1], ends + row[2], ends + row[2] + row[0]});
  }
  int64_t n_sinks = 0;
  for (int i = 0; i < n_processes; ++i) {
    Process &p = s.processes[i];
    const int64_t *row = table + i * 12;
    p.kind = Kind(row[0]), p.latency = int32_t(row[1]);
    p.n_in = int32_t(row[2]), p.n_out = int32_t(row[3]);
    p.in = links + row[4], p.out = links + row[5];
    p.trips = trips + row[6], p.period = int32_t(row[7]);
    p.need = orders + row[8], p.room = orders + row[9];
    p.beats_in = row[10], p.beats_out = row[11];
    int64_t ring = 2;
    while (ring < p.latency + 2) ring *= 2;
    p.due.resize(ring), p.what.resize(ring);
    if (p.kind == FORK) p.has.assign(p.n_out, 0);
    if (p.kind == SINK) p.number = n_sinks++;
    for (int k = 0; k < p.n_in; ++k) s.fifos[p.in[k]].sink = i;
    for (int k = 0; k < p.n_out; ++k) s.fifos[p.out[k]].source = i;
  }
  s.awake.assign(n_processes, 1);
  int64_t left = n_sinks;  // sinks that still wait for beats
  int result = 0;
  for (; left; ++s.now) {
    if (s.now == limit) { result = 2; break; }
    bool any = false;
    for (s.at = 0; s.at < n_processes; ++s.at) {
      if (s.awake[s.at] < s.now) continue;
      any = true;
      Process &p = s.processes[s.at];
      switch (p.kind) {
        case UNIT: s.unit(p); break;
        case FORK: s.fork(p); break;
        case WINDOW: s.window(p); break;
        case SOURCE: s.source(p); break;
        case SINK: left -= s.sink(p, frames, finish + p.number * frames); break;
      }
    }
    if (!any) { result = 1; break; }
  }
  *cycles = s.now;
  for (int i = 0; i < n_processes; ++i) {
    busy[i] = s.processes[i].busy;
  }
  for (int i = 0; i < n_fifos; ++i) most[i] = s.fifos[i].most, held[i] = s.fifos[i].held;
  return result;
}
}
