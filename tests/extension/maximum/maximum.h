// Maximum: the larger of two elements.
//
//   out[beat][p] = max(in0[beat][p], in1[beat][p])
//
// S: pe, bits, is_signed, cycles (beats of a frame).
#ifndef HWQAT_MAXIMUM_H
#define HWQAT_MAXIMUM_H

#include "lanes.h"
#include "trips.h"

namespace hwqat {

template <class S>
HWQAT_INLINE void maximum(hls::stream<beat<S::pe, S::bits>> &in0, hls::stream<beat<S::pe, S::bits>> &in1,
                          hls::stream<beat<S::pe, S::bits>> &out)
{
    using x_t = element_t<S::bits, S::is_signed>;

Beat:
    for (int i = 0; i < S::cycles; ++i) {
        HWQAT_PIPELINE
        HWQAT_TRIP();
        HWQAT_READ_TOGETHER(in0, in1)
        x_t a[S::pe], b[S::pe];
#pragma HLS ARRAY_PARTITION variable=a complete
#pragma HLS ARRAY_PARTITION variable=b complete
        unpack<S::bits, S::is_signed>(in0.read(), a);
        unpack<S::bits, S::is_signed>(in1.read(), b);
    Channel:
        for (int p = 0; p < S::pe; ++p) {
            HWQAT_UNROLL
            a[p] = a[p] > b[p] ? a[p] : b[p];
        }
        out.write(pack<S::bits>(a));
    }
}

} // namespace hwqat

#endif // HWQAT_MAXIMUM_H
