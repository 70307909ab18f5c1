// AXI4-Stream adapters: between the slots of TDATA and packed elements.
//
// An element takes a slot of 8, 16 or 32 bits in TDATA, sign- or zero-extended, element 0 lowest; bits
// above the last slot are zero. TLAST is added by the wrapper around the core, which counts beats.
//
// S: lanes, bits, is_signed, slot, tdata, beats.
#ifndef HWQAT_AXIS_H
#define HWQAT_AXIS_H

#include "lanes.h"

namespace hwqat {

template <class S>
HWQAT_INLINE void from_axis(hls::stream<ap_uint<S::tdata>> &axis, hls::stream<ap_uint<S::lanes * S::bits>> &out)
{
    static_assert(S::slot >= S::bits && S::tdata >= S::lanes * S::slot, "TDATA must hold a slot for each element");

Beat:
    for (int beat = 0; beat < S::beats; ++beat) {
        HWQAT_PIPELINE
        uint_t<S::slot> lane[S::lanes];
#pragma HLS ARRAY_PARTITION variable=lane complete
        unpack<S::slot, false>(slice<S::lanes * S::slot, 0>(axis.read()), lane);
        out.write(pack<S::bits>(lane));
    }
}

template <class S>
HWQAT_INLINE void to_axis(hls::stream<ap_uint<S::lanes * S::bits>> &in, hls::stream<ap_uint<S::tdata>> &axis)
{
    static_assert(S::slot >= S::bits && S::tdata >= S::lanes * S::slot, "TDATA must hold a slot for each element");

Beat:
    for (int beat = 0; beat < S::beats; ++beat) {
        HWQAT_PIPELINE
        element_t<S::bits, S::is_signed> element[S::lanes];
        element_t<S::slot, S::is_signed> lane[S::lanes];
#pragma HLS ARRAY_PARTITION variable=element complete
#pragma HLS ARRAY_PARTITION variable=lane complete
        unpack<S::bits, S::is_signed>(in.read(), element);
    Lane:
        for (int i = 0; i < S::lanes; ++i) {
            HWQAT_UNROLL
            lane[i] = element[i];
        }
        axis.write(slice<S::tdata, 0>(pack<S::slot>(lane)));
    }
}

} // namespace hwqat

#endif // HWQAT_AXIS_H
