// Streams that record what is written to them: included in front of everything, to find where a frame goes wrong.
//
// HWQAT_TAPS names a folder. Its taps.txt has a line for each stream to record: name, first beat, number of beats.
// The beats go to a file of the stream's name there (each in whole 32-bit words, the lowest first); at the end
// NAME.counts says how many beats went in and out.
#ifndef HWQAT_TAP_STREAM_H
#define HWQAT_TAP_STREAM_H

#ifndef AP_INT_MAX_W
#define AP_INT_MAX_W 4096
#endif
#include <ap_int.h>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cxxabi.h>
#include <deque>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <queue>
#include <sstream>
#include <string>
#include <typeinfo>

#define stream plain_stream
#include <hls_stream.h>
#undef stream

namespace hwqat_taps {

struct tap {
    long long first = 0, count = 0, pushed = 0, popped = 0;
    std::ofstream beats;
};

/// The taps by the names of their streams; files are complete when the program ends.
struct registry {
    std::string folder;
    std::map<std::string, tap> taps;

    registry()
    {
        const char *where = std::getenv("HWQAT_TAPS");
        if (where == nullptr) {
            return;
        }
        folder = where;
        std::ifstream list((folder + "/taps.txt").c_str());
        std::string name;
        long long first, count;
        while (list >> name >> first >> count) {
            tap &one = taps[name];
            one.first = first;
            one.count = count;
            one.beats.open((folder + "/" + name).c_str(), std::ios::binary);
        }
    }

    ~registry()
    {
        for (auto &one : taps) {
            std::ofstream((folder + "/" + one.first + ".counts").c_str())
                << one.second.pushed << " " << one.second.popped << "\n";
        }
    }
};

inline tap *find(const std::string &name)
{
    static registry all;
    const auto found = all.taps.find(name);
    return found == all.taps.end() ? nullptr : &found->second;
}

/// Bits low..high of a beat: of an ap_uint, or of the native words of C-simulation.
template <class T> auto bits(const T &beat, int high, int low) -> decltype(beat.range(high, low).to_uint())
{
    return beat.range(high, low).to_uint();
}
template <class T> auto bits(const T &beat, int, int low) -> decltype(std::uint32_t(beat.read(low)))
{
    return std::uint32_t(beat.read(low));
}

template <class T> void push(tap &one, const T &beat)
{
    if (one.pushed >= one.first && one.pushed < one.first + one.count) {
        for (int low = 0; low < T::width; low += 32) {
            const int high = low + 31 < T::width ? low + 31 : T::width - 1;
            const std::uint32_t word = bits(beat, high, low);
            one.beats.write(reinterpret_cast<const char *>(&word), sizeof word);
        }
    }
    ++one.pushed;
}

} // namespace hwqat_taps

namespace hls {

template <class T> class stream : public plain_stream<T>
{
  public:
    stream() {}
    explicit stream(const std::string &name) : plain_stream<T>(name), tap_(hwqat_taps::find(name)) {}

    void write(const T &beat)
    {
        if (tap_ != nullptr) {
            hwqat_taps::push(*tap_, beat);
        }
        plain_stream<T>::write(beat);
    }

    T read()
    {
        if (tap_ != nullptr) {
            ++tap_->popped;
        }
        return plain_stream<T>::read();
    }

  private:
    hwqat_taps::tap *tap_ = nullptr;
};

} // namespace hls

#endif // HWQAT_TAP_STREAM_H
