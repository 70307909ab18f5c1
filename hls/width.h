// Width converters: fewer or more elements a beat, in the same order.
//
// S: lanes_in, lanes_out (one divides the other), bits, cycles (beats of the narrow side).
#ifndef HWQAT_WIDTH_H
#define HWQAT_WIDTH_H

#include "lanes.h"
#include "trips.h"

namespace hwqat {

/// Narrow to wide: each trip reads a beat, the last one of a wide beat writes it.
template <class S>
HWQAT_INLINE void widen(hls::stream<beat<S::lanes_in, S::bits>> &in, hls::stream<beat<S::lanes_out, S::bits>> &out)
{
    constexpr int IN = S::lanes_in * S::bits, OUT = S::lanes_out * S::bits, RATIO = S::lanes_out / S::lanes_in;
    static_assert(S::lanes_out % S::lanes_in == 0, "widening needs whole multiples of the lanes that come in");
    static_assert(S::cycles % RATIO == 0, "a frame must fill its last wide beat");

    static word<OUT> wide; // a beat's parts push out all that was in it before

Beat:
    for (int i = 0; i < S::cycles / RATIO; ++i) {
    Part:
        for (int part = 0; part < RATIO; ++part) {
            HWQAT_PIPELINE
            HWQAT_TRIP();
            wide = shift_in<OUT, IN>(wide, in.read());
            if (part == RATIO - 1) {
                out.write(wide);
            }
        }
    }
}

/// Wide to narrow: each trip writes a beat, the first one of a wide beat reads it.
template <class S>
HWQAT_INLINE void narrow(hls::stream<beat<S::lanes_in, S::bits>> &in, hls::stream<beat<S::lanes_out, S::bits>> &out)
{
    constexpr int IN = S::lanes_in * S::bits, OUT = S::lanes_out * S::bits, RATIO = S::lanes_in / S::lanes_out;
    static_assert(S::lanes_in % S::lanes_out == 0, "narrowing needs whole multiples of the lanes that go out");
    static_assert(S::cycles % RATIO == 0, "a frame must empty its last wide beat");

    word<IN> rest;

Beat:
    for (int i = 0; i < S::cycles / RATIO; ++i) {
    Part:
        for (int part = 0; part < RATIO; ++part) {
            HWQAT_PIPELINE
            HWQAT_TRIP();
            const word<IN> wide = part == 0 ? in.read() : rest;
            out.write(slice<OUT, 0, IN>(wide));
            rest = slice<IN, OUT, IN>(wide);
        }
    }
}

} // namespace hwqat

#endif // HWQAT_WIDTH_H
