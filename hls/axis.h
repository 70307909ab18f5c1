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

template <class S> HWQAT_INLINE void from_axis(hls::stream<ap_uint<S::tdata>> &axis, hls::stream<ap_uint<S::lanes * S::bits>> &out)
{
    static_assert(S::slot >= S::bits && S::tdata >= S::lanes * S::slot, "TDATA must hold a slot for each element");

Beat:
    for (int i = 0; i < S::beats; ++i) {
        HWQAT_PIPELINE
        const ap_uint<S::lanes * S::slot> used = axis.read();
        ap_uint<S::slot> slot[S::lanes];
        ap_uint<S::bits> element[S::lanes];
#pragma HLS ARRAY_PARTITION variable=slot complete
#pragma HLS ARRAY_PARTITION variable=element complete
        unpack(used, slot);
    Lane:
        for (int lane = 0; lane < S::lanes; ++lane) {
            HWQAT_UNROLL
            element[lane] = slot[lane];
        }
        out.write(pack(element));
    }
}

template <class S> HWQAT_INLINE void to_axis(hls::stream<ap_uint<S::lanes * S::bits>> &in, hls::stream<ap_uint<S::tdata>> &axis)
{
    using from_t = element_t<S::bits, S::is_signed>;
    using slot_t = element_t<S::slot, S::is_signed>;
    static_assert(S::slot >= S::bits && S::tdata >= S::lanes * S::slot, "TDATA must hold a slot for each element");

Beat:
    for (int i = 0; i < S::beats; ++i) {
        HWQAT_PIPELINE
        axis.write(extend<S::lanes, from_t, slot_t>(in.read()));
    }
}

} // namespace hwqat

#endif // HWQAT_AXIS_H
