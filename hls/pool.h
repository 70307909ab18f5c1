// Pool: the taps of each window, reduced channel by channel.
//
//   out[pixel, group][p] = reduce over fold, t of  in[pixel, group, fold][t * pe + p]
//
// S: reduce (sum_of or max_of), pixels, groups, folds, pe, taps, in_bits, in_signed, out_bits, out_signed,
//    cycles.
#ifndef HWQAT_POOL_H
#define HWQAT_POOL_H

#include "lanes.h"
#include "reduce.h"
#include "trips.h"

namespace hwqat {

template <class S>
HWQAT_INLINE void pool(hls::stream<beat<S::taps * S::pe, S::in_bits>> &in, hls::stream<beat<S::pe, S::out_bits>> &out)
{
    using x_t = element_t<S::in_bits, S::in_signed>;
    using y_t = element_t<S::out_bits, S::out_signed>;
    static_assert(S::cycles == S::pixels * S::groups * S::folds, "the plan's cycles must be pixels * groups * folds");

    y_t result[S::pe];
#pragma HLS ARRAY_PARTITION variable=result complete

Pixel:
    for (int pixel = 0; pixel < S::pixels; ++pixel) {
    Group:
        for (int group = 0; group < S::groups; ++group) {
        Fold:
            for (int fold = 0; fold < S::folds; ++fold) {
                HWQAT_PIPELINE
                HWQAT_TRIP();
                x_t x[S::taps * S::pe];
#pragma HLS ARRAY_PARTITION variable=x complete
                unpack<S::in_bits, S::in_signed>(in.read(), x);
            Channel:
                for (int p = 0; p < S::pe; ++p) {
                    HWQAT_UNROLL
                    y_t taps = x[p];
                Tap:
                    for (int t = 1; t < S::taps; ++t) {
                        HWQAT_UNROLL
                        taps = S::reduce::of(taps, y_t(x[t * S::pe + p]));
                    }
                    result[p] = fold == 0 ? taps : S::reduce::of(result[p], taps);
                }
                if (fold == S::folds - 1) {
                    out.write(pack<S::out_bits>(result));
                }
            }
        }
    }
}

} // namespace hwqat

#endif // HWQAT_POOL_H
