// Matrix-vector unit: PE accumulators, each adding SIMD products a trip.
//
//   out[pixel, group, repeat][p] = sum over fold, s of  in[pixel, group, fold][s] * weights[int(address)][p][s]
//   address = (group * repeats + repeat) * folds + fold
//
// The `folds` beats of a pixel and group are read once and used `repeats` times: the unit keeps them.
// The accumulator's width comes from interval analysis of the actual weights; sums wrap in it, which is
// exact as long as the result fits. Outputs share their elements, and so may share multipliers.
//
// S: pixels, groups, repeats, folds, pe, simd, in_bits, in_signed, weight_bits, acc_bits, multiplier, cycles.
#ifndef HWQAT_MVU_H
#define HWQAT_MVU_H

#include "lanes.h"
#include "packed.h"
#include "trips.h"

namespace hwqat {

template <class S, class W>
HWQAT_INLINE void mvu(hls::stream<beat<S::simd, S::in_bits>> &in, hls::stream<beat<S::pe, S::acc_bits>> &out,
                      const W (&weights)[S::groups * S::repeats * S::folds][S::pe * S::simd])
{
    constexpr int FOLDS = S::folds, DEPTH = S::groups * S::repeats * FOLDS, SHARE = S::multiplier::count;
    static_assert(S::cycles == S::pixels * DEPTH, "the plan's cycles must be pixels * groups * repeats * folds");

    beat<S::simd, S::in_bits> held[FOLDS];
    HWQAT_READ_AFTER_WRITE(held, FOLDS) // by the first repeat, for the second one
    int_t<S::acc_bits> acc[S::pe];
#pragma HLS ARRAY_PARTITION variable=acc complete
    index_t<DEPTH> address;

Pixel:
    for (int pixel = 0; pixel < S::pixels; ++pixel) {
    Group:
        for (int group = 0; group < S::groups; ++group) {
        Repeat:
            for (int repeat = 0; repeat < S::repeats; ++repeat) {
            Fold:
                for (int fold = 0; fold < FOLDS; ++fold) {
                    HWQAT_PIPELINE
                    HWQAT_TRIP();
                    if (group == 0 && repeat == 0 && fold == 0) {
                        address = 0;
                    }
                    const beat<S::simd, S::in_bits> elements = repeat == 0 ? in.read() : held[fold];
                    if (repeat == 0) {
                        held[fold] = elements;
                    }
                    element_t<S::in_bits, S::in_signed> x[S::simd];
#pragma HLS ARRAY_PARTITION variable=x complete
                    unpack<S::in_bits, S::in_signed>(elements, x);
                Pe:
                    for (int p = 0; p < S::pe; p += SHARE) {
                        HWQAT_UNROLL
                        weight_rom<S::weight_bits> w[SHARE][S::simd];
                        sum_t<S::acc_bits> sum[SHARE];
#pragma HLS ARRAY_PARTITION variable=w complete dim=0
#pragma HLS ARRAY_PARTITION variable=sum complete
                    Weight:
                        for (int k = 0; k < SHARE; ++k) {
                            HWQAT_UNROLL
                        Simd:
                            for (int s = 0; s < S::simd; ++s) {
                                HWQAT_UNROLL
                                w[k][s] = 0;
                                if (p + k < S::pe) {
                                    w[k][s] = weight<S::weight_bits>::raw(weights[int(address)][(p + k) * S::simd + s]);
                                }
                            }
                        }
                        S::multiplier::template dot<S::weight_bits, S::acc_bits>(x, w, sum);
                    Sum:
                        for (int k = 0; k < SHARE; ++k) {
                            HWQAT_UNROLL
                            if (p + k < S::pe) {
                                acc[p + k] = fold == 0 ? wrap<S::acc_bits>(sum[k]) : wrap<S::acc_bits>(acc[p + k] + sum[k]);
                            }
                        }
                    }
                    if (fold == FOLDS - 1) {
                        out.write(pack<S::acc_bits>(acc));
                    }
                    address = int(address) + 1;
                }
            }
        }
    }
}

} // namespace hwqat

#endif // HWQAT_MVU_H
