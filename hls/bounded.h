// Bounded C-simulation: the processes of the dataflow take turns, on streams that hold no more than their FIFOs.
//
// Plain C-simulation runs one stage after the other on streams without end, and so says nothing about depths. With
// -DHWQAT_BOUNDED every process is a fibre with a stack of its own. It runs until it reads a stream that is empty or
// writes one that is full; then another one goes on. When none can while some wait, that is a deadlock: of the depths,
// whatever the order of turns, since blocking dataflow is determinate. No clock, no thread, no timeout.
//
// A trip of hardware reads all of its inputs at once and then writes all of its outputs at once: HWQAT_READ_TOGETHER and
// HWQAT_WRITE_TOGETHER wait until it can. A trip that does not, and so would hold more than hardware does, is an error.
#ifndef HWQAT_BOUNDED_H
#define HWQAT_BOUNDED_H

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <ucontext.h>
#include <vector>

namespace hwqat {

struct trip_counter;

/// One process: what it runs, where it waits, whose call it is.
struct fibre {
    static constexpr std::size_t STACK = 1 << 20;

    std::string name;
    const char *waits = nullptr; // for what, of which stream
    const std::string *stream = nullptr;
    std::size_t depth = 0;
    std::function<void()> body;
    fibre *caller = nullptr;
    int calls = 0; // processes that it called and that have not ended
    bool queued = false;
    trip_counter *trips = nullptr;
    const std::string *read = nullptr, *written = nullptr; // the last streams of this trip
    std::unique_ptr<char[]> stack;
    ucontext_t context;
};

/// All processes of a call of the top, in turns.
class fibres
{
  public:
    static fibres &all()
    {
        static fibres one;
        return one;
    }

    /// The process that runs now; the bench's own is the root.
    fibre &current() { return *current_; }

    /// Whether a function was called by another one: a fibre for it starts then, and the call is over. False inside it.
    bool starts(const char *name, std::function<void()> body)
    {
        if (entering_) {
            entering_ = false;
            return false;
        }
        fibres_.emplace_back(new fibre);
        fibre &made = *fibres_.back();
        made.name = name;
        made.body = std::move(body);
        made.caller = current_;
        ++current_->calls;
        made.stack.reset(new char[fibre::STACK]);
        getcontext(&made.context);
        made.context.uc_stack.ss_sp = made.stack.get();
        made.context.uc_stack.ss_size = fibre::STACK;
        made.context.uc_link = nullptr;
        makecontext(&made.context, &fibres::run, 0);
        wake(made);
        return true;
    }

    /// A trip of a stage's loop begins.
    void trip() { current_->read = current_->written = nullptr; }

    /// The current process waits, until it is woken.
    void rest()
    {
        fibre *from = current_;
        if (ready_.empty()) { // nobody can go on
            deadlock_ = true;
            wake(root_);
        }
        current_ = ready_.front();
        ready_.pop_front();
        current_->queued = false;
        if (current_ != from) {
            swapcontext(&from->context, &current_->context);
        }
    }

    void wake(fibre &one)
    {
        if (!one.queued) {
            one.queued = true;
            ready_.push_back(&one);
        }
    }

    /// Wait for the processes that the current one has called.
    void join()
    {
        while (current_->calls && !deadlock_) {
            rest();
        }
        if (current_ == &root_ && deadlock_ && verdict_.empty()) {
            for (const auto &one : fibres_) {
                if (one->waits) {
                    verdict_ += (verdict_.empty() ? "" : "; ") + one->name + one->waits + *one->stream;
                    verdict_ += one->depth ? " (" + std::to_string(one->depth) + " beats)" : "";
                }
            }
        }
        if (current_ == &root_ && !fibres_.empty()) {
            fibres_.clear();
            ready_.clear();
            root_.calls = 0;
            root_.queued = false;
        }
    }

    /// Who waits for whom, if nobody could go on; tells it once, and begins anew.
    std::string deadlock()
    {
        std::string said;
        said.swap(verdict_);
        deadlock_ = false;
        return said;
    }

    bool dead() const { return deadlock_; }

    /// Depths of streams, from a file with one "name depth" a line.
    bool read_depths(const std::string &path)
    {
        depths_.clear();
        std::ifstream file(path.c_str());
        std::string name;
        for (int depth = 0; file >> name >> depth;) {
            depths_[name] = depth;
        }
        return !depths_.empty();
    }

    /// Of a stream of the design.
    std::size_t depth(const std::string &name) const
    {
        const auto found = depths_.find(name);
        if (found == depths_.end()) {
            fail("no depth is known of stream " + name);
        }
        return std::size_t(found->second);
    }

    /// Says what is wrong and ends the program.
    [[noreturn]] static void fail(const std::string &what)
    {
        std::printf("error: %s\n", what.c_str());
        std::fflush(stdout);
        std::_Exit(1); // the stack that this runs on is one of ours
    }

  private:
    static void run()
    {
        fibre &self = all().current();
        all().entering_ = true;
        self.body();
        all().join(); // a block of a single stage has no stream of its own, whose end waits
        fibre &caller = *self.caller;
        if (--caller.calls == 0) {
            all().wake(caller);
        }
        all().rest(); // never woken
    }

    fibre root_;
    fibre *current_ = &root_;
    bool entering_ = false, deadlock_ = false;
    std::deque<fibre *> ready_;
    std::vector<std::unique_ptr<fibre>> fibres_;
    std::map<std::string, int> depths_;
    std::string verdict_;
};

} // namespace hwqat

namespace hls {

/// The vendor's stream as far as the design uses it, with room for as many beats as its FIFO holds. Without a name it is
/// the bench's own, and has no end.
template <class T> class stream
{
  public:
    stream() = default;
    explicit stream(const char *name) : name_(name), depth_(hwqat::fibres::all().depth(name)) {}
    stream(const stream &) = delete;
    stream &operator=(const stream &) = delete;

    ~stream()
    {
        hwqat::fibres::all().join();
        if (!data_.empty() && !hwqat::fibres::all().dead()) {
            std::cout << "stream " << name_ << " contains leftover data\n";
        }
    }

    bool empty() const { return data_.empty(); }
    bool full() const { return depth_ && data_.size() >= depth_; }

    T read()
    {
        hwqat::fibre &self = hwqat::fibres::all().current();
        if (self.trips && (self.written || self.read == &name_ || (self.read && empty()))) {
            const std::string &before = self.written ? *self.written : *self.read;
            hwqat::fibres::fail(self.name + " moves a beat of " + before + " before it reads " + name_ +
                                " in one trip: its loop needs HWQAT_READ_TOGETHER");
        }
        self.read = &name_;
        wait_for_beat();
        if (data_.empty()) { // read by the bench
            return T();
        }
        const T beat = data_.front();
        data_.pop_front();
        notify(writer_);
        return beat;
    }

    void write(const T &beat)
    {
        hwqat::fibre &self = hwqat::fibres::all().current();
        if (self.trips && (self.written == &name_ || (self.written && full()))) {
            hwqat::fibres::fail(self.name + " writes " + *self.written + " before it writes " + name_ +
                                " in one trip: its loop needs HWQAT_WRITE_TOGETHER");
        }
        self.written = &name_;
        wait_for_room();
        data_.push_back(beat);
        notify(reader_);
    }

    void wait_for_beat() { wait(reader_, [this] { return data_.empty(); }, " waits for a beat of "); }
    void wait_for_room() { wait(writer_, [this] { return full(); }, " waits for room in "); }

  private:
    template <class Blocked> void wait(hwqat::fibre *&who, Blocked blocked, const char *what)
    {
        hwqat::fibre &self = hwqat::fibres::all().current();
        if (!self.caller) {
            return; // the bench
        }
        while (blocked()) {
            who = &self;
            self.waits = what;
            self.stream = &name_;
            self.depth = depth_;
            hwqat::fibres::all().rest();
        }
        self.waits = nullptr;
    }

    static void notify(hwqat::fibre *&who)
    {
        if (who) {
            hwqat::fibres::all().wake(*who);
            who = nullptr;
        }
    }

    std::string name_;
    std::size_t depth_ = 0;
    std::deque<T> data_;
    hwqat::fibre *reader_ = nullptr, *writer_ = nullptr;
};

} // namespace hls

namespace hwqat {

template <class... Streams> void wait_for_beats(Streams &...in)
{
    for (bool waited = true; waited;) {
        waited = false;
        const int each[] = {(in.empty() ? (in.wait_for_beat(), waited = true, 0) : 0)...};
        (void)each;
    }
}

template <class... Streams> void wait_for_room(Streams &...out)
{
    for (bool waited = true; waited;) {
        waited = false;
        const int each[] = {(out.full() ? (out.wait_for_room(), waited = true, 0) : 0)...};
        (void)each;
    }
}

} // namespace hwqat

#define HWQAT_PROCESS(function, ...) \
    if (hwqat::fibres::all().starts(#function, [&] { function(__VA_ARGS__); })) { \
        return; \
    }
#define HWQAT_READ_TOGETHER(...) hwqat::wait_for_beats(__VA_ARGS__);
#define HWQAT_WRITE_TOGETHER(...) hwqat::wait_for_room(__VA_ARGS__);

#endif // HWQAT_BOUNDED_H
