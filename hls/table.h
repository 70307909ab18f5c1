// Table: out = table[in - lo] for every element.
//
// One table for all channels, of which each ROM is a copy for `readers` lanes; or a table for each channel: a ROM has
// those of one lane, one group's behind the other's.
//
// S: pixels, groups, pe, in_bits, in_signed, lo, entries, tables, readers, out_bits, out_signed, cycles.
#ifndef HWQAT_TABLE_H
#define HWQAT_TABLE_H

#include "lanes.h"
#include "trips.h"

namespace hwqat {

/// Lanes from FIRST on: none is left.
template <class S, int FIRST>
HWQAT_INLINE void look_up(const int (&)[S::pe], element_t<S::out_bits, S::out_signed> (&)[S::pe])
{
}

/// Lanes from FIRST on, `readers` in each table.
template <class S, int FIRST, class TABLE, class... REST>
HWQAT_INLINE void look_up(const int (&place)[S::pe], element_t<S::out_bits, S::out_signed> (&y)[S::pe],
                          const TABLE &table, const REST &...rest)
{
Reader:
    for (int i = 0; i < S::readers; ++i) {
        HWQAT_UNROLL
        if (FIRST + i < S::pe) {
            y[FIRST + i < S::pe ? FIRST + i : 0] = table[place[FIRST + i < S::pe ? FIRST + i : 0]][0];
        }
    }
    look_up<S, FIRST + S::readers>(place, y, rest...);
}

template <class S, class... TABLES>
HWQAT_INLINE void table(hls::stream<beat<S::pe, S::in_bits>> &in, hls::stream<beat<S::pe, S::out_bits>> &out,
                        const TABLES &...tables)
{
    static_assert(S::cycles == S::pixels * S::groups, "the plan's cycles must be pixels * groups");
    static_assert(S::tables == 1 || S::tables == S::groups, "a table for all, or one for each group");

Pixel:
    for (int pixel = 0; pixel < S::pixels; ++pixel) {
    Group:
        for (int group = 0; group < S::groups; ++group) {
            HWQAT_PIPELINE
            HWQAT_TRIP();
            element_t<S::in_bits, S::in_signed> x[S::pe];
            element_t<S::out_bits, S::out_signed> y[S::pe];
            int place[S::pe];
#pragma HLS ARRAY_PARTITION variable=x complete
#pragma HLS ARRAY_PARTITION variable=y complete
#pragma HLS ARRAY_PARTITION variable=place complete
            unpack<S::in_bits, S::in_signed>(in.read(), x);
        Channel:
            for (int p = 0; p < S::pe; ++p) {
                HWQAT_UNROLL
                place[p] = int(x[p]) - S::lo + (S::tables == 1 ? 0 : group * S::entries);
            }
            look_up<S, 0>(place, y, tables...);
            out.write(pack<S::out_bits>(y));
        }
    }
}

} // namespace hwqat

#endif // HWQAT_TABLE_H
