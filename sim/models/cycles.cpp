// Cycle model of a dataflow network: processes, bounded FIFOs, blocking reads and writes.
//
// One call simulates a network given as flat arrays (sim/models/cycles.py makes them). In a cycle each process does
// at most one trip. A FIFO shows what it held when the cycle began: a beat written now can be read in the next
// cycle (the one after, if it has more than two places and so a memory with an output register), room made now
// can be filled in the next cycle. A FIFO of depth 0 is one register inside a stage: it can be filled in the
// cycle in which it is read.
//
// Processes
//   SOURCE  writes a beat whenever there is room, one frame after the other
//   SINK    reads a beat whenever there is one
//   UNIT    trip t of its period moves what trips[t] says: it reads some inputs and writes some outputs
//   FORK    copies its input to every output, each as soon as that has room
//   READER  the half of a window behind its buffer: writes output beat k of a frame once the writer has
//           taken need[k] beats of that frame
//   WRITER  the half in front: takes input beat j of a frame once the reader has written room[j] beats
//           (counted from the frame's start, may be negative)
//
// A process with latency L is a pipeline: what a trip writes leaves L cycles later, in order, and a full
// FIFO at its end stops the whole pipeline. With latency 0 a trip waits for room for what it writes.
//
// What makes it fast (and changes no result):
// - Only processes that may be able to go on are looked at. Who waits for a beat, for room or for the other half
//   of a window says so, and is put on the agenda of the cycle in which it will be there; a pipeline in which
//   nothing begins is looked at again when its next result is due. Cycles in which nobody is looked at are skipped.
// - Runs. Where a beat goes through each FIFO of a chain in this cycle, and each process of it will do for the next
//   m cycles what it did in this one, all of them do m trips at once. Consumers come first in a cycle and leave
//   in the FIFO that they read how long they could go on; who begins the chain (it reads nothing) decides.
#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

enum Kind : uint8_t { SOURCE, SINK, UNIT, FORK, READER, WRITER };

// Result of a run.
enum Result { DONE, DEADLOCK, LIMIT, LATE };

struct Fifo {
  int32_t depth = 0, held = 0, most = 0;
  int32_t source = 0, sink = 0;  // processes
  int32_t run = 0;  // cycles for which the sink, which has read in this one, will read on if there are beats
  int64_t popped_at = -1, pushed_at = -2;
  bool wants_room = false, wants_beat = false;  // the source waits, the sink waits
  bool memory() const { return depth > 2; }
  bool fresh(int64_t now) const { return memory() && pushed_at == now - 1; }  // the last beat is still on its way
  bool can_pop(int64_t now) const { return held > fresh(now); }
  bool can_push(int64_t now) const { return depth ? held + (popped_at == now) < depth : held == 0; }
};

// What a trip moves: places among a process's inputs and outputs, however many it has.
struct Moves {
  int32_t n_reads, n_writes;
  const int32_t *reads, *writes;
};

// What leaves a pipeline: when, on the pipeline's clock, and whose writes.
struct Due {
  uint32_t clock;
  const Moves *moves;
};

struct Process {
  Kind kind;
  bool waits = false;          // READER, WRITER: for the other half
  bool stopped = false;        // by a full FIFO at the pipeline's end, since the cycle `since`
  int32_t latency, n_out;
  int32_t trip = 0;            // UNIT: place in the period; READER, WRITER: beat of the frame
  const int32_t *in, *out;
  int64_t acted_at = -1;       // the cycle of the last trip; until then nobody need look at it
  int64_t done = 0;            // trips or beats, those of a run counted when it begins
  int64_t stalled = 0;         // cycles in which the pipeline stood still; its clock is the time less these
  uint32_t head = 0, tail = 0;
  Due *due = nullptr;          // a ring
  uint32_t ring = 0;           // its size, less one
  int32_t period;              // UNIT
  const int32_t *trips;        // UNIT: for each trip of a period, which of the simulator's moves it makes
  const int32_t *alike;        // UNIT: for each, how many from it on, round the period, make the same
  int64_t since = 0;
  const int32_t *order;        // READER: need; WRITER: room
  int64_t beats, beats_other;  // of one frame: its own; READER, WRITER: those of the other half
  int64_t frames_before = 0;   // READER, WRITER: beats of the other half in the frames before this one
  std::vector<char> has;       // FORK: outputs that have the beat
  int32_t sent = 0;            // FORK: how many
  int32_t number = 0;          // SINK: its row of `finish`

  bool in_flight() const { return head != tail; }
  bool full() const { return tail - head == uint32_t(latency); }  // a result is due in every cycle
  int64_t done_before(int64_t cycle) const { return done - std::max<int64_t>(0, acted_at + 1 - cycle); }
  int64_t wanted() const { return frames_before + order[trip]; }  // beats of the other half
};

uint64_t next_random(uint64_t &state) {  // xorshift64*
  state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
  return state * 2685821657736338717ull;
}

constexpr int32_t AHEAD = 63;

// Processes to be looked at in this cycle and in each of the next AHEAD ones.
class Agenda {
 public:
  explicit Agenda(int processes) : words_((processes + 63) / 64), slots_(64 * words_) {}
  void add(int process, int64_t at) {
    slots_[(at & 63) * words_ + process / 64] |= 1ull << (process & 63);
    filled_ |= 1ull << (at & 63);
  }
  bool empty() const { return filled_ == 0; }
  // The first cycle from `now` on with an entry; there is one.
  int64_t next(int64_t now) const {
    const int turn = now & 63;
    const uint64_t turned = filled_ >> turn | (turn ? filled_ << (64 - turn) : 0);
    return now + __builtin_ctzll(turned);
  }
  // Calls visit(process) for the entries of a cycle, in order, also for those that it adds behind the present one.
  template <typename Visit>
  void visit(int64_t now, Visit visit) {
    uint64_t *slot = &slots_[(now & 63) * words_];
    for (int word = 0; word < words_; ++word)
      while (slot[word]) {
        const int bit = __builtin_ctzll(slot[word]);
        slot[word] &= slot[word] - 1;
        visit(word * 64 + bit);
      }
    filled_ &= ~(1ull << (now & 63));
  }

 private:
  int words_;
  std::vector<uint64_t> slots_;
  uint64_t filled_ = 0;
};

const int32_t FIRST = 0;
const Moves ONE_OUT = {0, 1, nullptr, &FIRST};  // of a SOURCE or READER

struct Simulator {
  std::vector<Fifo> fifos;
  std::vector<Process> processes;  // consumers first
  std::vector<Moves> moves;
  std::vector<Due> rings;
  Agenda agenda;
  uint64_t random = 88172645463325252ull;
  uint32_t stall_in = 0, stall_out = 0;  // of 2^16
  int32_t pace = 0;                      // cycles over which a source spreads a frame's beats, at least
  int32_t start = 0;                     // cycle in which the sources begin
  int64_t frames = 0;
  int64_t *finish = nullptr;
  int64_t now = 0;
  int at = 0;  // the process at work
  std::vector<int32_t> open;  // for each frame, the sinks that wait for its last beat
  int64_t complete = 0, completed_at = 0;  // frames that have left by all sinks; when the last one had

  explicit Simulator(int n_processes) : processes(n_processes), agenda(n_processes) {}

  // Looks at the process again in so many cycles, or earlier.
  void again(int64_t cycles = 1) { agenda.add(at, now + std::min<int64_t>(cycles, AHEAD)); }
  void pop(Fifo &f) {
    --f.held, f.popped_at = now, f.run = 0;
    if (f.wants_room) f.wants_room = false, agenda.add(f.source, now + (f.depth > 0));
  }
  void push(Fifo &f) {
    f.most = std::max(f.most, ++f.held), f.pushed_at = now;
    if (f.wants_beat) f.wants_beat = false, agenda.add(f.sink, now + 1 + f.memory());
  }
  // Looks at the process again when there is a beat.
  void await(Fifo &f) {
    if (f.held) again();  // it is on its way through the memory
    else f.wants_beat = true;
  }

  bool stall(uint32_t chance) { return chance && (next_random(random) >> 48) < chance; }

  // Whether a beat can be written to the i-th output; if not, looks at the process again when it can.
  bool room(const Process &p, int i) {
    Fifo &f = fifos[p.out[i]];
    if (f.can_push(now)) return true;
    if (f.popped_at == now) again();  // what was made now shows in the next cycle
    else f.wants_room = true;
    return false;
  }
  bool room(const Process &p, const Moves &moves) {
    for (int i = 0; i < moves.n_writes; ++i)
      if (!room(p, moves.writes[i])) return false;
    return true;
  }

  void emit(const Process &p, const Moves &moves) {
    for (int i = 0; i < moves.n_writes; ++i) push(fifos[p.out[moves.writes[i]]]);
  }

  // Lets the oldest finished trip out. False: the pipeline is stopped by a full FIFO.
  bool drain(Process &p) {
    if (p.stopped) p.stopped = false, p.stalled += now - p.since;
    if (!p.in_flight()) return true;
    const Due &first = p.due[p.head & p.ring];
    if (first.clock != uint32_t(now - p.stalled)) return true;
    if (!room(p, *first.moves)) {
      p.stopped = true, p.since = now;
      return false;
    }
    emit(p, *first.moves);
    ++p.head;
    return true;
  }

  // What a trip writes: at once, or at the end of the pipeline.
  void write(Process &p, const Moves &moves) {
    if (p.latency == 0) emit(p, moves);
    else p.due[p.tail++ & p.ring] = {uint32_t(now - p.stalled + p.latency), &moves};
  }

  // Looks at a pipeline in which nothing began when its next result is due.
  void await_due(const Process &p) {
    if (p.in_flight()) again(until_due(p));
  }
  int32_t until_due(const Process &p) const { return int32_t(p.due[p.head & p.ring].clock - uint32_t(now - p.stalled)); }

  // For how many cycles after this one, in which it was pushed, the i-th output can take a beat each.
  int32_t run_of(const Process &p, int i) const {
    const Fifo &f = fifos[p.out[i]];
    return f.popped_at == now && f.held > f.memory() ? std::min(f.run, AHEAD - 1) : 0;
  }

  // So many trips more, one a cycle, of a process and of those that read what it has pushed in this cycle.
  void go(int process, int64_t trips) {
    Process &p = processes[process];
    bool pushed = false;
    for (int i = 0; i < p.n_out; ++i) {
      Fifo &f = fifos[p.out[i]];
      if (f.pushed_at != now) continue;
      go(f.sink, trips);
      f.pushed_at = f.popped_at = now + trips;
      pushed = true;
    }
    if (p.kind == UNIT) p.trip = int32_t((p.trip + trips) % p.period);
    if (p.kind == READER || p.kind == WRITER) p.trip += int32_t(trips);
    if (p.latency && pushed) p.stalled += trips;  // a full pipeline looks the same afterwards
    p.done += trips, p.acted_at = now + trips;
    if (p.kind == READER) wake(process + 1, p);
    if (p.kind == WRITER) wake(process - 1, p);
    agenda.add(process, p.acted_at + 1);
  }

  // A process that reads nothing may go on for so many cycles.
  void begin(int64_t run) {
    if (run > 1) go(at, run);
  }

  void acted(Process &p) {
    ++p.done, p.acted_at = now;
    again();
  }

  void unit(Process &p) {
    const uint32_t head = p.head;
    if (!drain(p)) return;
    const Moves &step = moves[p.trips[p.trip]];
    if (p.latency == 0 && !room(p, step)) return;
    for (int i = 0; i < step.n_reads; ++i) {
      Fifo &f = fifos[p.in[step.reads[i]]];
      if (f.can_pop(now)) continue;
      await(f);
      return await_due(p);
    }
    for (int i = 0; i < step.n_reads; ++i) pop(fifos[p.in[step.reads[i]]]);
    if (step.n_writes) write(p, step);
    const int32_t alike = p.alike[p.trip] - 1;
    if (++p.trip == p.period) p.trip = 0;
    acted(p);

    if (alike < 2 || step.n_reads > 1 || step.n_writes > 1) return;
    int32_t run = std::min(alike, AHEAD - 1);
    if (step.n_writes == 0) {
      if (p.head != head) return;  // what leaves now does not leave in each cycle
      if (p.in_flight()) run = std::min(run, until_due(p) - 1);
    } else if (p.latency == 0 || (p.n_out == 1 && p.head != head && p.full())) {
      run = std::min(run, run_of(p, step.writes[0]));
    } else {
      return;
    }
    if (step.n_reads == 0) begin(run);
    else fifos[p.in[step.reads[0]]].run = run;
  }

  void fork(Process &p) {
    Fifo &input = fifos[p.in[0]];
    if (!input.can_pop(now)) return await(input);
    const bool first = p.sent == 0;
    for (int i = 0; i < p.n_out; ++i)
      if (!p.has[i] && room(p, i)) {
        push(fifos[p.out[i]]);
        p.has[i] = 1, ++p.sent;
      }
    if (p.sent < p.n_out) return;
    pop(input);
    p.has.assign(p.n_out, 0), p.sent = 0;
    acted(p);
    if (!first) return;
    int32_t run = AHEAD - 1;
    for (int i = 0; i < p.n_out; ++i) run = std::min(run, run_of(p, i));
    input.run = run;
  }

  // Both halves of a window see what the other had done when the cycle began; the reader comes first.
  void reader(Process &p) {
    const uint32_t head = p.head;
    if (!drain(p) || (p.latency == 0 && !room(p, ONE_OUT))) return;
    const int64_t there = processes[at + 1].done_before(now);
    if (there < p.wanted()) {
      await_other(p, at + 1);
      return await_due(p);
    }
    p.waits = false;
    write(p, ONE_OUT);
    next_beat(p);
    wake(at + 1, p);
    if (p.latency && (p.head == head || !p.full())) return;
    const int64_t most = std::min<int64_t>(run_of(p, 0), p.beats - 1 - p.trip);
    int32_t run = 0;
    while (run < most && p.frames_before + p.order[p.trip + run] <= there) ++run;
    begin(run);
  }

  void writer(Process &p) {
    Fifo &input = fifos[p.in[0]];
    if (!input.can_pop(now)) return await(input);
    const int64_t written = processes[at - 1].done_before(now);
    if (written < p.wanted()) return await_other(p, at - 1);
    p.waits = false;
    pop(input);
    next_beat(p);
    wake(at - 1, p);
    int32_t run = int32_t(std::min<int64_t>(AHEAD - 1, p.beats - 1 - p.trip));
    while (run > 1 && p.frames_before + p.order[p.trip + run - 1] > written) run /= 2;  // never falls in a frame
    input.run = run > 1 ? run : 0;
  }

  void next_beat(Process &p) {
    if (++p.trip == p.beats) p.trip = 0, p.frames_before += p.beats_other;
    acted(p);
  }

  // One half of a window is looked at one cycle after the other has done, or will have done, what it waits for.
  void await_other(Process &p, int other) {
    p.waits = true;
    wake(at, processes[other]);
  }
  void wake(int half, const Process &other) {
    Process &p = processes[half];
    if (!p.waits || other.done < p.wanted()) return;
    p.waits = false;
    agenda.add(half, other.acted_at + 1 - (other.done - p.wanted()));
  }

  void source(Process &p) {
    if (p.done == frames * p.beats || !room(p, 0)) return;
    const int64_t due = start + p.done * pace / p.beats;  // of this beat, at the source's pace
    if (now < due) return again(due - now);
    if (stall(stall_in)) return again();
    push(fifos[p.out[0]]);
    acted(p);
    if (pace == 0 && stall_in == 0) begin(std::min<int64_t>(run_of(p, 0), frames * p.beats - p.done));
  }

  void sink(Process &p) {
    Fifo &input = fifos[p.in[0]];
    if (p.done == frames * p.beats) return;
    if (!input.can_pop(now)) return await(input);
    if (stall(stall_out)) return again();
    pop(input);
    acted(p);
    if (p.done % p.beats) {
      if (stall_out == 0) input.run = int32_t(std::min<int64_t>(AHEAD - 1, p.beats - 1 - p.done % p.beats));
      return;
    }
    const int64_t frame = p.done / p.beats - 1;
    finish[p.number * frames + frame] = now + 1 - start;
    if (--open[frame] == 0) complete = frame + 1, completed_at = now;
  }

  Result run(int64_t limit, int64_t longest) {
    for (size_t i = 0; i < processes.size(); ++i) agenda.add(int(i), 0);
    while (complete < frames) {
      if (agenda.empty()) return DEADLOCK;
      now = agenda.next(now);
      if (limit >= 0 && now >= limit) return LIMIT;
      if (longest && complete && now - completed_at > longest) return LATE;
      agenda.visit(now, [this](int process) {
        Process &p = processes[process];
        if (now <= p.acted_at) return;  // in a run
        at = process;
        switch (p.kind) {
          case UNIT: unit(p); break;
          case FORK: fork(p); break;
          case READER: reader(p); break;
          case WRITER: writer(p); break;
          case SOURCE: source(p); break;
          case SINK: sink(p); break;
        }
      });
    }
    return DONE;
  }
};

}  // namespace

extern "C" {

// Layout of one process in `table`: kind, latency, n_in, n_out, first input, first output (places in `links`), trips
// place, period, place of its order, its beats, beats of the window's other half. Of one row of `moves`: how many
// inputs are read, how many outputs are written, their place in `ends` (inputs first). alike: for each of `trips`, how
// many from it on, round the period, are the same. Returns a Result: LIMIT when `limit` cycles have passed (-1: none),
// LATE when a frame takes more than `longest` cycles after the one before (0: any). finish: (sinks, frames) cycle after
// each frame's last beat, counted from `start`. busy: trips of each process. most, held: beats of each FIFO.
int hwqat_cycles(int32_t n_processes, const int64_t *table, const int32_t *links, const int32_t *trips,
                 const int32_t *alike, int32_t n_moves, const int32_t *moves, const int32_t *ends,
                 const int32_t *orders, int32_t n_fifos, const int32_t *depths, int64_t frames, int64_t limit,
                 int64_t longest, int32_t pace, int32_t start, uint32_t stall_in, uint32_t stall_out, uint64_t seed,
                 int64_t *finish, int64_t *busy, int32_t *most, int32_t *held) {
  Simulator s(n_processes);
  s.frames = frames, s.pace = pace, s.start = start, s.stall_in = stall_in, s.stall_out = stall_out;
  s.finish = finish;
  s.random ^= seed * 0x9e3779b97f4a7c15ull;
  s.fifos.resize(n_fifos);
  for (int i = 0; i < n_fifos; ++i) s.fifos[i].depth = depths[i];
  for (int i = 0; i < n_moves; ++i) {
    const int32_t *row = moves + i * 3;
    s.moves.push_back({row[0], row[1], ends + row[2], ends + row[2] + row[0]});
  }
  int64_t n_sinks = 0, places = 0;
  for (int i = 0; i < n_processes; ++i) {
    Process &p = s.processes[i];
    const int64_t *row = table + i * 11;
    const int32_t n_in = int32_t(row[2]);
    p.kind = Kind(row[0]), p.latency = int32_t(row[1]), p.n_out = int32_t(row[3]);
    p.in = links + row[4], p.out = links + row[5];
    p.trips = trips + row[6], p.alike = alike + row[6], p.period = int32_t(row[7]);
    p.order = orders + row[8], p.beats = row[9], p.beats_other = row[10];
    uint32_t ring = 2;
    while (ring < uint32_t(p.latency) + 2) ring *= 2;
    p.ring = ring - 1, places += ring;
    if (p.kind == FORK) p.has.assign(p.n_out, 0);
    if (p.kind == SINK) p.number = int32_t(n_sinks++);
    for (int k = 0; k < n_in; ++k) s.fifos[p.in[k]].sink = i;
    for (int k = 0; k < p.n_out; ++k) s.fifos[p.out[k]].source = i;
  }
  s.rings.resize(places);
  Due *ring = s.rings.data();
  for (Process &p : s.processes) p.due = ring, ring += p.ring + 1;
  s.open.assign(frames, int32_t(n_sinks));
  const Result result = s.run(limit, longest);
  for (int i = 0; i < n_processes; ++i) busy[i] = s.processes[i].done_before(s.now + 1);
  for (int i = 0; i < n_fifos; ++i) most[i] = s.fifos[i].most, held[i] = s.fifos[i].held;
  return result;
}
}
