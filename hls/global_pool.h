// Global pool: a whole image reduced channel by channel, without a window.
//
//   out[group][p] = reduce over pixel of  in[pixel, group][p]
//
// One result for each channel is kept; results leave in the trips of the last pixel.
//
// S: reduce (sum_of or max_of), pixels, groups, pe, in_bits, in_signed, out_bits, out_signed, cycles.
#ifndef HWQAT_GLOBAL_POOL_H
#define HWQAT_GLOBAL_POOL_H

#include "lanes.h"
#include "reduce.h"
#include "trips.h"

namespace hwqat {

template <class S>
HWQAT_INLINE void global_pool(hls::stream<beat<S::pe, S::in_bits>> &in, hls::stream<beat<S::pe, S::out_bits>> &out)
{
    using x_t = element_t<S::in_bits, S::in_signed>;
    using y_t = element_t<S::out_bits, S::out_signed>;
    constexpr int GROUPS = S::groups;
    static_assert(S::cycles == S::pixels * GROUPS, "the plan's cycles must be pixels * groups");

    static beat<S::pe, S::out_bits> kept[GROUPS];
    HWQAT_READ_AFTER_WRITE(kept, GROUPS) // a group's turn comes once a pixel

Pixel:
    for (int pixel = 0; pixel < S::pixels; ++pixel) {
    Group:
        for (int group = 0; group < GROUPS; ++group) {
            HWQAT_PIPELINE
            HWQAT_TRIP();
            x_t x[S::pe];
            y_t result[S::pe];
#pragma HLS ARRAY_PARTITION variable=x complete
#pragma HLS ARRAY_PARTITION variable=result complete
            unpack<S::in_bits, S::in_signed>(in.read(), x);
            unpack<S::out_bits, S::out_signed>(kept[group], result);
        Channel:
            for (int p = 0; p < S::pe; ++p) {
                HWQAT_UNROLL
                result[p] = pixel == 0 ? y_t(x[p]) : S::reduce::of(result[p], y_t(x[p]));
            }
            const beat<S::pe, S::out_bits> results = pack<S::out_bits>(result);
            kept[group] = results;
            if (pixel == S::pixels - 1) {
                out.write(results);
            }
        }
    }
}

} // namespace hwqat

#endif // HWQAT_GLOBAL_POOL_H
