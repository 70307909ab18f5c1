// Test bench of a top: frames from text files in, every output integer compared.
//
// A file `<folder>/<port>.dat` has one frame a line: decimal integers with one space between them, pixels
// in row-major order, channels innermost. What is missing or is no integer counts as a difference.
#ifndef HWQAT_TESTBENCH_H
#define HWQAT_TESTBENCH_H

#include "axis.h"
#include "trips.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace hwqat {

/// The frames of one port, read line by line.
class frame_file
{
  public:
    frame_file(const std::string &folder, const char *port)
        : path_(folder + "/" + port + ".dat"), file_(path_.c_str())
    {
    }

    bool opened() const
    {
        if (!file_.is_open()) {
            std::printf("error: %s cannot be opened\n", path_.c_str());
        }
        return file_.is_open();
    }

    /// Complain about the line that was read last.
    void complain(const std::string &what) const
    {
        std::printf("error: %s, line %lld: %s\n", path_.c_str(), line_, what.c_str());
    }

    /// The next frame's tokens; false at the end of the file.
    bool next(std::vector<std::string> &tokens)
    {
        std::string line;
        tokens.clear();
        if (!std::getline(file_, line)) {
            return false;
        }
        ++line_;
        for (std::size_t at = 0; at < line.size();) {
            const std::size_t end = line.find(' ', at);
            tokens.push_back(line.substr(at, end - at));
            at = end == std::string::npos ? line.size() : end + 1;
        }
        return true;
    }

  private:
    std::string path_;
    std::ifstream file_;
    long long line_ = 0;
};

/// The folder of the vectors: as given, or (nothing or "-" given) where the build folder and the tools put them.
inline std::string vectors_folder(int argc, char **argv, const char *port)
{
    if (argc > 1 && std::string(argv[1]) != "-") {
        return argv[1];
    }
    for (const char *folder : {"../vectors", "vectors"}) {
        if (std::ifstream((std::string(folder) + "/" + port + ".dat").c_str()).is_open()) {
            return folder;
        }
    }
    return ".";
}

/// The integer that a token spells; false if it spells none.
inline bool parse(const std::string &token, long long &value)
{
    char *end = nullptr;
    errno = 0;
    value = std::strtoll(token.c_str(), &end, 10);
    return !token.empty() && errno == 0 && *end == '\0' && (token[0] == '-' || (token[0] >= '0' && token[0] <= '9'));
}

/// A port whose elements fill their slots: how the bench sees it, extension bits and all.
template <class P> struct slots : P {
    static constexpr int bits = P::slot;
};

/// Feeds a slave port. P: the port's shape, as in axis.h.
template <class P> class driver
{
  public:
    driver(const std::string &folder, const char *port) : file_(folder, port) {}

    hls::stream<ap_uint<P::tdata>> stream;

    bool opened() const { return file_.opened(); }

    /// Put one frame into the stream; false when there is none, or it is damaged (`bad` is set then).
    bool send(bool &bad)
    {
        std::vector<std::string> tokens;
        if (!file_.next(tokens)) {
            return false;
        }
        if (tokens.size() != std::size_t(P::beats) * P::lanes) {
            file_.complain("expected " + std::to_string(P::beats * P::lanes) + " integers, found " +
                           std::to_string(tokens.size()));
            bad = true;
            return false;
        }
        for (int beat = 0; beat < P::beats; ++beat) {
            element_t<P::slot, P::is_signed> slot[P::lanes];
            for (int lane = 0; lane < P::lanes; ++lane) {
                long long value = 0;
                if (!parse(tokens[std::size_t(beat) * P::lanes + lane], value)) {
                    file_.complain("expected an integer, found " + tokens[std::size_t(beat) * P::lanes + lane]);
                    bad = true;
                    return false;
                }
                slot[lane] = element<P::slot, P::is_signed>::of(value);
            }
            stream.write(to_tdata<slots<P>>(slot));
        }
        return true;
    }

  private:
    frame_file file_;
};

/// Compares what a master port gives with its file. P: the port's shape, as in axis.h.
template <class P> class monitor
{
  public:
    monitor(const std::string &folder, const char *port) : port_(port), file_(folder, port) {}

    hls::stream<ap_uint<P::tdata>> stream;

    bool opened() const { return file_.opened(); }

    /// Whether every frame of the file was compared; complains if not.
    bool finished()
    {
        std::vector<std::string> tokens;
        if (file_.next(tokens)) {
            file_.complain("there are fewer frames in the inputs");
            return false;
        }
        return true;
    }

    /// Compare one frame; returns how many of its integers differ, and prints the first ever.
    long long check(long long frame)
    {
        std::vector<std::string> expected;
        file_.next(expected);
        long long differences = 0;
        std::size_t index = 0;
        for (int beat = 0; beat < P::beats; ++beat) {
            const bool given = !stream.empty();
            element_t<P::slot, P::is_signed> slot[P::lanes] = {};
            if (given) {
                of_tdata<slots<P>>(stream.read(), slot);
            }
            for (int lane = 0; lane < P::lanes; ++lane, ++index) {
                const std::string want = index < expected.size() ? expected[index] : "nothing";
                const std::string got = given ? std::to_string(static_cast<long long>(slot[lane])) : "nothing";
                differences += differs(frame, index, want, got);
            }
        }
        for (; index < expected.size(); ++index) {
            differences += differs(frame, index, expected[index], "nothing");
        }
        while (!stream.empty()) {
            stream.read();
            differences += differs(frame, index++, "nothing", "another beat");
        }
        return differences;
    }

  private:
    bool differs(long long frame, std::size_t index, const std::string &expected, const std::string &got)
    {
        long long want = 0, have = 0;
        if (parse(expected, want) && parse(got, have) && want == have) {
            return false;
        }
        if (!found_) {
            std::printf("difference on %s: frame %lld, index %zu: expected %s, got %s\n", port_, frame, index,
                        expected.c_str(), got.c_str());
            found_ = true;
        }
        return true;
    }

    const char *port_;
    frame_file file_;
    bool found_ = false;
};

/// Counts frames and differences, watches the streams inside the design, and prints the verdict.
class verdict
{
  public:
    /// The arguments of the bench: a folder, frames at most, the file of depths.
    verdict(int argc, char **argv) : frames_(argc > 2 ? std::atoll(argv[2]) : -1)
    {
#ifdef HWQAT_BOUNDED
        if (!fibres::all().read_depths(argc > 3 ? argv[3] : "")) {
            std::printf("error: %s gives no depths of streams\n", argc > 3 ? argv[3] : "no file");
            std::exit(1);
        }
#endif
        for (trip_counter *stage = trip_counter::first(); stage; stage = stage->next) {
            stage->trips = 0;
        }
    }

    bool wants_more() const { return frames_ < 0 || done_ < frames_; }
    long long frame() const { return done_; }

    /// Around the call of the design: its streams complain on std::cout when they are read empty or are not
    /// empty at the end; that is an error here.
    void call_begins() { usual_ = std::cout.rdbuf(complaints_.rdbuf()); }

    /// False when the call could not come to its end.
    bool call_ended()
    {
        std::cout.rdbuf(usual_);
#ifdef HWQAT_BOUNDED
        const std::string deadlock = fibres::all().deadlock();
        if (!deadlock.empty()) {
            std::printf("deadlock in frame %lld: %s\n", done_, deadlock.c_str());
            ++stream_errors_;
            complaints_.str("");
            return false;
        }
#endif
        if (!complaints_.str().empty()) {
            stream_error(complaints_.str().c_str());
            complaints_.str("");
        }
        return true;
    }

    /// A frame was compared; `input_left` tells that some of it was never read.
    void frame_done(long long differences, bool input_left)
    {
        differences_ += differences;
        if (input_left) {
            stream_error("beats of the input were not read\n");
        }
        if (++done_ % 16 == 0) {
            std::printf("frames %lld\n", done_);
            std::fflush(stdout);
        }
    }

    /// Exit code of the test bench: 0 when at least one frame was compared and nothing was wrong.
    int finish(bool bad) const
    {
        for (const trip_counter *stage = trip_counter::first(); stage; stage = stage->next) {
            if (stage->trips) {
                std::printf("trips %s %llu\n", stage->name, stage->trips);
            }
        }
        std::printf("checked %lld frames: %lld differences, %lld stream errors\n", done_, differences_, stream_errors_);
        return bad || done_ == 0 || differences_ || stream_errors_ ? 1 : 0;
    }

  private:
    /// Prints the first one only.
    void stream_error(const char *what)
    {
        if (!stream_errors_) {
            std::printf("stream error in frame %lld: %s", done_, what);
        }
        ++stream_errors_;
    }

    std::ostringstream complaints_;
    std::streambuf *usual_ = nullptr;
    long long frames_, done_ = 0, differences_ = 0, stream_errors_ = 0;
};

} // namespace hwqat

#endif // HWQAT_TESTBENCH_H
