// Multiply: products of two streams, lane by lane.
//
//   out[pixel, group][p] = (in0[pixel, group][p] - zero0) * (in1[...][p] - zero1)
//
// The second input is as large as the first; or a gate, one value for each channel, which is read with the first pixel
// and kept; or a gate of one value for each pixel.
//
// S: pixels, groups, pe, second, in0_bits, in0_signed, zero0, in1_lanes, in1_bits, in1_signed, zero1, out_bits, cycles.
#ifndef HWQAT_MULTIPLY_H
#define HWQAT_MULTIPLY_H

#include "lanes.h"
#include "trips.h"

namespace hwqat {

/// What the second input is: as large as the first, one value a channel, one a pixel.
enum class gate { each, channel, pixel };

template <class S>
HWQAT_INLINE void multiply(hls::stream<beat<S::pe, S::in0_bits>> &in0,
                           hls::stream<beat<S::in1_lanes, S::in1_bits>> &in1,
                           hls::stream<beat<S::pe, S::out_bits>> &out)
{
    static_assert(S::cycles == S::pixels * S::groups, "the plan's cycles must be pixels * groups");
    constexpr bool CHANNEL = S::second == gate::channel, PIXEL = S::second == gate::pixel;
    constexpr int KEPT = CHANNEL ? S::groups : 1;

    static beat<S::in1_lanes, S::in1_bits> kept[KEPT];
    HWQAT_READ_AFTER_WRITE(kept, KEPT) // a group's turn comes once a pixel

Pixel:
    for (int pixel = 0; pixel < S::pixels; ++pixel) {
    Group:
        for (int group = 0; group < S::groups; ++group) {
            HWQAT_PIPELINE
            HWQAT_TRIP();
            element_t<S::in0_bits, S::in0_signed> a[S::pe];
            element_t<S::in1_bits, S::in1_signed> b[S::in1_lanes];
            int_t<S::out_bits> y[S::pe];
#pragma HLS ARRAY_PARTITION variable=a complete
#pragma HLS ARRAY_PARTITION variable=b complete
#pragma HLS ARRAY_PARTITION variable=y complete
            const int place = CHANNEL ? group : 0;
            const bool fresh = CHANNEL ? pixel == 0 : PIXEL ? group == 0 : true;
            beat<S::in1_lanes, S::in1_bits> second = kept[place];
            if (fresh) {
                HWQAT_READ_TOGETHER(in0, in1)
                second = in1.read();
                kept[place] = second;
            }
            unpack<S::in0_bits, S::in0_signed>(in0.read(), a);
            unpack<S::in1_bits, S::in1_signed>(second, b);
        Channel:
            for (int p = 0; p < S::pe; ++p) {
                HWQAT_UNROLL
                const int_t<S::in0_bits + 2> x = wrap<S::in0_bits + 2>(int_t<S::in0_bits + 2>(a[p]) - S::zero0);
                const int_t<S::in1_bits + 2> g =
                    wrap<S::in1_bits + 2>(int_t<S::in1_bits + 2>(b[S::in1_lanes == 1 ? 0 : p]) - S::zero1);
                y[p] = wrap<S::out_bits>(product<S::in0_bits + S::in1_bits + 4>(x, g));
            }
            out.write(pack<S::out_bits>(y));
        }
    }
}

} // namespace hwqat

#endif // HWQAT_MULTIPLY_H
