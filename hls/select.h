// Select: for each pixel, output element c is input element source[c], or zero.
//
// The first in_beats trips of a pixel read, the last out_beats write; what waits is kept, at most a pixel.
//
// S: pixels, in_beats, out_beats, trips, lanes, pe, bits, signed_elements, zero, cycles.
#ifndef HWQAT_SELECT_H
#define HWQAT_SELECT_H

#include "lanes.h"
#include "trips.h"

namespace hwqat {

template <class S>
HWQAT_INLINE void select(hls::stream<beat<S::lanes, S::bits>> &in, hls::stream<beat<S::pe, S::bits>> &out,
                         const rom_t<32, true> (&source)[S::out_beats][S::pe])
{
    using x_t = element_t<S::bits, S::signed_elements>;
    static_assert(S::cycles == S::pixels * S::trips, "the plan's cycles must be pixels * trips");
    constexpr int LEAD = S::trips - S::out_beats;

    x_t pixel_of[S::in_beats * S::lanes]; // a pixel's elements push out those of the one before
#pragma HLS ARRAY_PARTITION variable=pixel_of complete

Pixel:
    for (int pixel = 0; pixel < S::pixels; ++pixel) {
    Trip:
        for (int trip = 0; trip < S::trips; ++trip) {
            HWQAT_PIPELINE
            HWQAT_TRIP();
            if (trip < S::in_beats) {
                x_t x[S::lanes];
#pragma HLS ARRAY_PARTITION variable=x complete
                unpack<S::bits, S::signed_elements>(in.read(), x);
            Lane:
                for (int i = 0; i < S::lanes; ++i) {
                    HWQAT_UNROLL
                    pixel_of[trip * S::lanes + i] = x[i];
                }
            }
            if (trip >= LEAD) {
                x_t y[S::pe];
#pragma HLS ARRAY_PARTITION variable=y complete
            Element:
                for (int p = 0; p < S::pe; ++p) {
                    HWQAT_UNROLL
                    const int place = int(source[trip - LEAD][p]);
                    y[p] = place < 0 ? x_t(S::zero) : pixel_of[place < 0 ? 0 : place];
                }
                out.write(pack<S::bits>(y));
            }
        }
    }
}

} // namespace hwqat

#endif // HWQAT_SELECT_H
