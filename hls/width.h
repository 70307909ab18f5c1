// Width converters: fewer or more elements a beat, in the same order.
//
// S: lanes_in, lanes_out (one divides the other), bits, cycles (beats of the narrow side).
#ifndef HWQAT_WIDTH_H
#define HWQAT_WIDTH_H

#include "lanes.h"
#include "trips.h"

namespace hwqat {

/// Narrow to wide: each trip reads a beat, every RATIO-th writes one.
template <class S>
HWQAT_INLINE void widen(hls::stream<ap_uint<S::lanes_in * S::bits>> &in,
                        hls::stream<ap_uint<S::lanes_out * S::bits>> &out)
{
    constexpr int OUT = S::lanes_out * S::bits, RATIO = S::lanes_out / S::lanes_in;
    static_assert(S::lanes_out % S::lanes_in == 0, "widening needs whole multiples of the lanes that come in");
    static_assert(S::cycles % RATIO == 0, "a frame must fill its last wide beat");

    ap_uint<OUT> beat = 0;
    index_t<RATIO> part = 0;

Beat:
    for (int i = 0; i < S::cycles; ++i) {
        HWQAT_PIPELINE
        HWQAT_TRIP();
        beat = shift_in(beat, in.read());
        if (part == RATIO - 1) {
            out.write(beat);
        }
        part = part == RATIO - 1 ? 0 : int(part) + 1;
    }
}

/// Wide to narrow: each trip writes a beat, every RATIO-th reads one.
template <class S>
HWQAT_INLINE void narrow(hls::stream<ap_uint<S::lanes_in * S::bits>> &in,
                         hls::stream<ap_uint<S::lanes_out * S::bits>> &out)
{
    constexpr int IN = S::lanes_in * S::bits, OUT = S::lanes_out * S::bits, RATIO = S::lanes_in / S::lanes_out;
    static_assert(S::lanes_in % S::lanes_out == 0, "narrowing needs whole multiples of the lanes that go out");
    static_assert(S::cycles % RATIO == 0, "a frame must empty its last wide beat");

    ap_uint<IN> rest = 0;
    index_t<RATIO> part = 0;

Beat:
    for (int i = 0; i < S::cycles; ++i) {
        HWQAT_PIPELINE
        HWQAT_TRIP();
        const ap_uint<IN> beat = part == 0 ? in.read() : rest;
        out.write(slice<OUT, 0>(beat));
        rest = slice<IN, OUT>(beat);
        part = part == RATIO - 1 ? 0 : int(part) + 1;
    }
}

} // namespace hwqat

#endif // HWQAT_WIDTH_H
