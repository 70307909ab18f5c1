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

/// The elements in TDATA; S::slot may be wider than they are.
template <class S>
HWQAT_INLINE void of_tdata(const ap_uint<S::tdata> &tdata, element_t<S::bits, S::is_signed> (&lane)[S::lanes])
{
    static_assert(S::slot >= S::bits && S::tdata >= S::lanes * S::slot, "TDATA must hold a slot for each element");
#if HWQAT_NATIVE
    for (int i = 0; i < S::lanes; ++i) {
        const ap_uint<S::slot> slot = tdata.range(i * S::slot + S::slot - 1, i * S::slot);
        lane[i] = element<S::bits, S::is_signed>::of(slot.to_uint64());
    }
#else
    ap_uint<S::tdata> rest = tdata;
Lane:
    for (int i = 0; i < S::lanes; ++i) {
        HWQAT_UNROLL
        lane[i] = element_t<S::bits, S::is_signed>(ap_uint<S::bits>(rest));
        rest = rest >> S::slot;
    }
#endif
}

/// TDATA of elements.
template <class S>
HWQAT_INLINE ap_uint<S::tdata> to_tdata(const element_t<S::bits, S::is_signed> (&lane)[S::lanes])
{
    static_assert(S::slot >= S::bits && S::tdata >= S::lanes * S::slot, "TDATA must hold a slot for each element");
    ap_uint<S::tdata> tdata = 0;
Lane:
    for (int i = 0; i < S::lanes; ++i) {
        HWQAT_UNROLL
        const int_t<S::slot> extended = lane[i];
#if defined(__BAMBU__)
        tdata |= ap_uint<S::tdata>(ap_uint<S::slot>(extended)) << (i * S::slot);
#else
        tdata.range(i * S::slot + S::slot - 1, i * S::slot) = ap_uint<S::slot>(extended);
#endif
    }
    return tdata;
}

template <class S>
HWQAT_INLINE void from_axis(hls::stream<ap_uint<S::tdata>> &axis, hls::stream<beat<S::lanes, S::bits>> &out)
{
Beat:
    for (int i = 0; i < S::beats; ++i) {
        HWQAT_PIPELINE
        element_t<S::bits, S::is_signed> lane[S::lanes];
#pragma HLS ARRAY_PARTITION variable=lane complete
        of_tdata<S>(axis.read(), lane);
        out.write(pack<S::bits>(lane));
    }
}

template <class S>
HWQAT_INLINE void to_axis(hls::stream<beat<S::lanes, S::bits>> &in, hls::stream<ap_uint<S::tdata>> &axis)
{
Beat:
    for (int i = 0; i < S::beats; ++i) {
        HWQAT_PIPELINE
        element_t<S::bits, S::is_signed> lane[S::lanes];
#pragma HLS ARRAY_PARTITION variable=lane complete
        unpack<S::bits, S::is_signed>(in.read(), lane);
        axis.write(to_tdata<S>(lane));
    }
}

} // namespace hwqat

#endif // HWQAT_AXIS_H
