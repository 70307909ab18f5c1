// Depthwise unit: PE channels at once, each with its own filter and accumulator.
//
//   out[pixel, group][p] = sum over fold, t of  in[pixel, group, fold][t * pe + p] * weights[int(address)][t][p]
//   address = group * folds + fold
//
// No two products share an operand.
//
// S: pixels, groups, folds, pe, taps, in_bits, in_signed, weight_bits, acc_bits, multiplier, cycles.
#ifndef HWQAT_DWU_H
#define HWQAT_DWU_H

#include "lanes.h"
#include "packed.h"
#include "trips.h"

namespace hwqat {

template <class S, class W>
HWQAT_INLINE void dwu(hls::stream<beat<S::taps * S::pe, S::in_bits>> &in, hls::stream<beat<S::pe, S::acc_bits>> &out,
                      const W (&weights)[S::groups * S::folds][S::taps * S::pe])
{
    constexpr int DEPTH = S::groups * S::folds;
    static_assert(S::multiplier::count == 1, "the channels of a depthwise unit share no element");
    static_assert(S::cycles == S::pixels * DEPTH, "the plan's cycles must be pixels * groups * folds");

    int_t<S::acc_bits> acc[S::pe];
#pragma HLS ARRAY_PARTITION variable=acc complete
    index_t<DEPTH> address;

Pixel:
    for (int pixel = 0; pixel < S::pixels; ++pixel) {
    Group:
        for (int group = 0; group < S::groups; ++group) {
        Fold:
            for (int fold = 0; fold < S::folds; ++fold) {
                HWQAT_PIPELINE
                HWQAT_TRIP();
                if (group == 0 && fold == 0) {
                    address = 0;
                }
                element_t<S::in_bits, S::in_signed> every[S::taps * S::pe];
#pragma HLS ARRAY_PARTITION variable=every complete
                unpack<S::in_bits, S::in_signed>(in.read(), every);
            Channel:
                for (int p = 0; p < S::pe; ++p) {
                    HWQAT_UNROLL
                    element_t<S::in_bits, S::in_signed> x[S::taps];
                    weight_rom<S::weight_bits> w[1][S::taps];
                    sum_t<S::acc_bits> sum[1];
#pragma HLS ARRAY_PARTITION variable=x complete
#pragma HLS ARRAY_PARTITION variable=w complete dim=0
#pragma HLS ARRAY_PARTITION variable=sum complete
                Tap:
                    for (int t = 0; t < S::taps; ++t) {
                        HWQAT_UNROLL
                        x[t] = every[t * S::pe + p];
                        w[0][t] = weight<S::weight_bits>::raw(weights[int(address)][t * S::pe + p]);
                    }
                    S::multiplier::template dot<S::weight_bits, S::acc_bits>(x, w, sum);
                    acc[p] = fold == 0 ? wrap<S::acc_bits>(sum[0]) : wrap<S::acc_bits>(acc[p] + sum[0]);
                }
                if (fold == S::folds - 1) {
                    out.write(pack<S::acc_bits>(acc));
                }
                address = int(address) + 1;
            }
        }
    }
}

} // namespace hwqat

#endif // HWQAT_DWU_H
