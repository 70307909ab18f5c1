// Depthwise unit: PE channels at once, each with its own filter and accumulator.
//
//   out[pixel, group][p] = sum over fold, t of  in[pixel, group, fold][t * pe + p] * weight[address][t][p]
//   address = group * folds + fold
//
// S: pixels, groups, folds, pe, taps, in_bits, in_signed, weight_bits, acc_bits, cycles.
#ifndef HWQAT_DWU_H
#define HWQAT_DWU_H

#include "lanes.h"
#include "trips.h"
#include "weight.h"

namespace hwqat {

template <class S>
HWQAT_INLINE void dwu(hls::stream<ap_uint<S::taps * S::pe * S::in_bits>> &in,
                      hls::stream<ap_uint<S::pe * S::acc_bits>> &out,
                      const weight_rom<S::weight_bits> (&weight)[S::groups * S::folds][S::taps][S::pe])
{
    using weight_t = hwqat::weight<S::weight_bits>;
    constexpr int DEPTH = S::groups * S::folds;
    static_assert(S::cycles == S::pixels * DEPTH, "the plan's cycles must be pixels * groups * folds");

    int_t<S::acc_bits> acc[S::pe] = {};
#pragma HLS ARRAY_PARTITION variable=acc complete
    index_t<DEPTH> address = 0;

Pixel:
    for (int pixel = 0; pixel < S::pixels; ++pixel) {
    Group:
        for (int group = 0; group < S::groups; ++group) {
        Fold:
            for (int fold = 0; fold < S::folds; ++fold) {
                HWQAT_PIPELINE
                HWQAT_TRIP();
                element_t<S::in_bits, S::in_signed> x[S::taps * S::pe];
#pragma HLS ARRAY_PARTITION variable=x complete
                unpack<S::in_bits, S::in_signed>(in.read(), x);
            Channel:
                for (int p = 0; p < S::pe; ++p) {
                    HWQAT_UNROLL
                    sum_t<S::acc_bits> sum = 0;
                Tap:
                    for (int t = 0; t < S::taps; ++t) {
                        HWQAT_UNROLL
                        sum += weight_t::template times<S::acc_bits>(x[t * S::pe + p], weight[address][t][p]);
                    }
                    acc[p] = fold == 0 ? wrap<S::acc_bits>(sum) : wrap<S::acc_bits>(acc[p] + sum);
                }
                if (fold == S::folds - 1) {
                    out.write(pack<S::acc_bits>(acc));
                }
                address = address == DEPTH - 1 ? 0 : int(address) + 1;
            }
        }
    }
}

} // namespace hwqat

#endif // HWQAT_DWU_H
