// Beats: what a stream carries, LANES elements of BITS bits side by side, element 0 lowest.
//
// In hardware a beat is an ap_uint (of whole bytes for bambu, whose FIFOs lose the high bits of some other widths);
// bits above its elements are zero. In C-simulation it is a few native integers: ranges of wide ap_uint are ten times
// slower to run and to compile.
#ifndef HWQAT_BEAT_H
#define HWQAT_BEAT_H

#include "types.h"

namespace hwqat {

#if HWQAT_NATIVE
/// WIDTH bits as 64-bit chunks, lowest first; zeros above WIDTH.
template <int WIDTH> struct word {
    static constexpr int width = WIDTH, COUNT = (WIDTH + 63) / 64;
    unsigned long long chunk[COUNT];

    /// 64 bits from bit `at` on; zeros above the word.
    unsigned long long read(int at) const
    {
        const int i = at / 64, shift = at % 64;
        const unsigned long long bits = i < COUNT ? chunk[i] >> shift : 0;
        return shift && i + 1 < COUNT ? bits | chunk[i + 1] << (64 - shift) : bits;
    }

    /// Put `bits` at bit `at`, where zeros are; what reaches above the word must be zero.
    void write(int at, unsigned long long bits)
    {
        const int i = at / 64, shift = at % 64;
        chunk[i] |= bits << shift;
        if (shift && i + 1 < COUNT) {
            chunk[i + 1] |= bits >> (64 - shift);
        }
    }

    /// Put another word at bit `at`.
    template <int BITS> void write(int at, const word<BITS> &part)
    {
        for (int i = 0; i < word<BITS>::COUNT; ++i) {
            write(at + 64 * i, part.chunk[i]);
        }
    }
};
#elif defined(__BAMBU__)
template <int WIDTH> using word = ap_uint<(WIDTH + 7) / 8 * 8>;
#else
template <int WIDTH> using word = ap_uint<WIDTH>;
#endif

template <int LANES, int BITS> using beat = word<LANES * BITS>;

} // namespace hwqat

#endif // HWQAT_BEAT_H
