// Beats and their elements: element i of a beat is bits [i * BITS +: BITS].
//
// This is the only place that cuts or joins words. Each compiler gets what it does well: Vitis ranges that
// are constant once the loop is unrolled, bambu shifts by constants, g++ whole 64-bit chunks.
#ifndef HWQAT_LANES_H
#define HWQAT_LANES_H

#include "types.h"

namespace hwqat {

#if HWQAT_SIM
/// A word as 64-bit chunks, lowest first. It takes them from ap_private, which both Vitis's headers and the
/// open ones have inside: ranges are ten times slower to run and to compile.
template <int WIDTH> struct chunks {
    static constexpr int COUNT = (WIDTH + 63) / 64;
    unsigned long long chunk[COUNT];

    chunks() : chunk() {}

    explicit chunks(const ap_uint<WIDTH> &word)
    {
        for (int i = 0; i < COUNT; ++i) {
            chunk[i] = word.V.get_pVal(i);
        }
    }

    /// The word; bits above WIDTH must be zero.
    ap_uint<WIDTH> word() const
    {
        ap_uint<WIDTH> word;
        for (int i = 0; i < COUNT; ++i) {
            word.V.set_pVal(i, chunk[i]);
        }
        return word;
    }

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
    template <int BITS> void write(int at, const chunks<BITS> &word)
    {
        for (int i = 0; i < chunks<BITS>::COUNT; ++i) {
            write(at + 64 * i, word.chunk[i]);
        }
    }
};

/// WIDTH bits of a word, from bit AT on.
template <int WIDTH, int AT, int FROM> HWQAT_INLINE chunks<WIDTH> cut(const chunks<FROM> &word)
{
    chunks<WIDTH> part;
    for (int i = 0; i < chunks<WIDTH>::COUNT; ++i) {
        part.chunk[i] = word.read(AT + 64 * i);
    }
    part.chunk[chunks<WIDTH>::COUNT - 1] &= ~0ULL >> (64 * chunks<WIDTH>::COUNT - WIDTH);
    return part;
}
#endif

/// The N elements of a beat.
template <int BITS, bool SIGNED, int N>
HWQAT_INLINE void unpack(const ap_uint<N * BITS> &beat, element_t<BITS, SIGNED> (&lane)[N])
{
    static_assert(BITS <= 64, "an element has at most 64 bits");
#if HWQAT_SIM
    const chunks<N * BITS> raw(beat);
    for (int i = 0; i < N; ++i) {
        lane[i] = element<BITS, SIGNED>::of(raw.read(i * BITS));
    }
#elif defined(__BAMBU__)
    ap_uint<N * BITS> rest = beat;
    for (int i = 0; i < N; ++i) {
        lane[i] = element_t<BITS, SIGNED>(ap_uint<BITS>(rest));
        rest >>= BITS;
    }
#else
Lane:
    for (int i = 0; i < N; ++i) {
        HWQAT_UNROLL
        lane[i].range(BITS - 1, 0) = beat.range(i * BITS + BITS - 1, i * BITS);
    }
#endif
}

/// The beat of N elements, signed or not: their low BITS bits.
template <int BITS, class T, int N> HWQAT_INLINE ap_uint<N * BITS> pack(const T (&lane)[N])
{
    static_assert(BITS <= 64, "an element has at most 64 bits");
#if HWQAT_SIM
    chunks<N * BITS> raw;
    for (int i = 0; i < N; ++i) {
        const uint_t<BITS> bits = low<BITS>(lane[i]);
        raw.write(i * BITS, static_cast<unsigned long long>(bits));
    }
    return raw.word();
#elif defined(__BAMBU__)
    ap_uint<N * BITS> beat = 0;
    for (int i = 0; i < N; ++i) {
        beat = (beat >> BITS) | (ap_uint<N * BITS>(ap_uint<BITS>(lane[i])) << ((N - 1) * BITS));
    }
    return beat;
#else
    ap_uint<N * BITS> beat;
Lane:
    for (int i = 0; i < N; ++i) {
        HWQAT_UNROLL
        beat.range(i * BITS + BITS - 1, i * BITS) = ap_uint<BITS>(lane[i]);
    }
    return beat;
#endif
}

/// N words side by side, word 0 lowest.
template <int N, int BITS> HWQAT_INLINE ap_uint<N * BITS> join(const ap_uint<BITS> (&word)[N])
{
#if HWQAT_SIM
    chunks<N * BITS> raw;
    for (int i = 0; i < N; ++i) {
        raw.write(i * BITS, chunks<BITS>(word[i]));
    }
    return raw.word();
#elif defined(__BAMBU__)
    ap_uint<N * BITS> beat = 0;
    for (int i = 0; i < N; ++i) {
        beat = (beat >> BITS) | (ap_uint<N * BITS>(word[i]) << ((N - 1) * BITS));
    }
    return beat;
#else
    ap_uint<N * BITS> beat;
Word:
    for (int i = 0; i < N; ++i) {
        HWQAT_UNROLL
        beat.range(i * BITS + BITS - 1, i * BITS) = word[i];
    }
    return beat;
#endif
}

/// A word moved down by the width of another, which enters at the top.
template <int WIDE, int NARROW>
HWQAT_INLINE ap_uint<WIDE> shift_in(const ap_uint<WIDE> &word, const ap_uint<NARROW> &top)
{
    static_assert(WIDE > NARROW, "the word that enters is the narrower one");
#if HWQAT_SIM
    chunks<WIDE> moved = cut<WIDE, NARROW>(chunks<WIDE>(word));
    moved.write(WIDE - NARROW, chunks<NARROW>(top));
    return moved.word();
#else
    return (word >> NARROW) | (ap_uint<WIDE>(top) << (WIDE - NARROW));
#endif
}

/// A word moved down by AT bits, cut or filled with zeros to WIDTH.
template <int WIDTH, int AT, int FROM> HWQAT_INLINE ap_uint<WIDTH> slice(const ap_uint<FROM> &word)
{
#if HWQAT_SIM
    return cut<WIDTH, AT>(chunks<FROM>(word)).word();
#else
    return ap_uint<WIDTH>(word >> AT);
#endif
}

/// What the element types of `resize` say.
template <class T> struct lane_of;
template <int BITS> struct lane_of<ap_int<BITS>> {
    static constexpr int bits = BITS;
    static constexpr bool is_signed = true;
};
template <int BITS> struct lane_of<ap_uint<BITS>> {
    static constexpr int bits = BITS;
    static constexpr bool is_signed = false;
};

/// Each element of a beat in another type, which holds its value: extended by its sign, or cut.
template <int N, class FROM, class TO>
HWQAT_INLINE ap_uint<N * lane_of<TO>::bits> resize(const ap_uint<N * lane_of<FROM>::bits> &beat)
{
    constexpr int BITS = lane_of<FROM>::bits, TO_BITS = lane_of<TO>::bits;
    constexpr bool SIGNED = lane_of<FROM>::is_signed;
    element_t<BITS, SIGNED> from[N];
    int_t<TO_BITS> to[N];
#pragma HLS ARRAY_PARTITION variable=from complete
#pragma HLS ARRAY_PARTITION variable=to complete
    unpack<BITS, SIGNED>(beat, from);
Lane:
    for (int i = 0; i < N; ++i) {
        HWQAT_UNROLL
        to[i] = from[i];
    }
    return pack<TO_BITS>(to);
}

} // namespace hwqat

#endif // HWQAT_LANES_H
