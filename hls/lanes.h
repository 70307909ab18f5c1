// Beats and their elements: element i of a beat is bits [i * BITS +: BITS].
//
// This is the only place that cuts or joins words. Each compiler gets what it does well: Vitis ranges that
// are constant once the loop is unrolled, bambu shifts by constants and pieces of at most 64 bits (it loses bits when
// it converts wide words to less wide ones), g++ whole 64-bit chunks.
#ifndef HWQAT_LANES_H
#define HWQAT_LANES_H

#include "beat.h"

#if HWQAT_NATIVE
#include <cstring>
#endif

namespace hwqat {

#if HWQAT_NATIVE && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/// Whether elements of BITS bits lie in a beat as they lie in an array of T.
template <int BITS, class T> constexpr bool lies_alike() { return BITS == 8 * int(sizeof(T)); }
#else
template <int BITS, class T> constexpr bool lies_alike() { return false; }
#endif

/// The N elements of a beat.
template <int BITS, bool SIGNED, int N>
HWQAT_INLINE void unpack(const beat<N, BITS> &whole, element_t<BITS, SIGNED> (&lane)[N])
{
    static_assert(BITS <= 64, "an element has at most 64 bits");
#if HWQAT_NATIVE
    if (lies_alike<BITS, element_t<BITS, SIGNED>>()) {
        std::memcpy(lane, whole.chunk, sizeof lane);
        return;
    }
    for (int i = 0; i < N; ++i) {
        lane[i] = element<BITS, SIGNED>::of(whole.read(i * BITS));
    }
#elif defined(__BAMBU__)
    beat<N, BITS> rest = whole;
    for (int i = 0; i < N; ++i) {
        lane[i] = element_t<BITS, SIGNED>(ap_uint<BITS>(rest));
        rest >>= BITS;
    }
#else
Lane:
    for (int i = 0; i < N; ++i) {
        HWQAT_UNROLL
        lane[i].range(BITS - 1, 0) = whole.range(i * BITS + BITS - 1, i * BITS);
    }
#endif
}

/// The beat of N elements, signed or not: their low BITS bits.
template <int BITS, class T, int N> HWQAT_INLINE beat<N, BITS> pack(const T (&lane)[N])
{
    static_assert(BITS <= 64, "an element has at most 64 bits");
#if HWQAT_NATIVE
    beat<N, BITS> whole = {};
    if (lies_alike<BITS, T>()) {
        std::memcpy(whole.chunk, lane, sizeof lane);
        return whole;
    }
    for (int i = 0; i < N; ++i) {
        const uint_t<BITS> bits = low<BITS>(lane[i]);
        whole.write(i * BITS, static_cast<unsigned long long>(bits));
    }
    return whole;
#elif defined(__BAMBU__)
    beat<N, BITS> whole = 0;
    for (int i = 0; i < N; ++i) {
        whole |= beat<N, BITS>(ap_uint<BITS>(lane[i])) << (i * BITS);
    }
    return whole;
#else
    beat<N, BITS> whole;
Lane:
    for (int i = 0; i < N; ++i) {
        HWQAT_UNROLL
        whole.range(i * BITS + BITS - 1, i * BITS) = ap_uint<BITS>(lane[i]);
    }
    return whole;
#endif
}

/// N words side by side, word 0 lowest.
template <int BITS, int N> HWQAT_INLINE word<N * BITS> join(const word<BITS> (&part)[N])
{
#if HWQAT_NATIVE
    word<N * BITS> whole = {};
    for (int i = 0; i < N; ++i) {
        whole.write(i * BITS, part[i]);
    }
    return whole;
#elif defined(__BAMBU__)
    word<N * BITS> whole = 0;
    for (int i = 0; i < N; ++i) {
        whole |= word<N * BITS>(part[i]) << (i * BITS);
    }
    return whole;
#else
    word<N * BITS> whole;
Word:
    for (int i = 0; i < N; ++i) {
        HWQAT_UNROLL
        whole.range(i * BITS + BITS - 1, i * BITS) = part[i];
    }
    return whole;
#endif
}

/// WIDTH bits of a word of FROM bits, from bit AT on; zeros where it has none.
template <int WIDTH, int AT, int FROM> HWQAT_INLINE word<WIDTH> slice(const word<FROM> &whole)
{
#if HWQAT_NATIVE
    word<WIDTH> part;
    for (int i = 0; i < word<WIDTH>::COUNT; ++i) {
        part.chunk[i] = whole.read(AT + 64 * i);
    }
    part.chunk[word<WIDTH>::COUNT - 1] &= ~0ULL >> (64 * word<WIDTH>::COUNT - WIDTH);
    return part;
#elif defined(__BAMBU__)
    constexpr int WHOLE = WIDTH / 64 * 64, REST = WIDTH - WHOLE;
    word<WIDTH> part = 0;
    for (int at = 0; at < WHOLE; at += 64) {
        part |= word<WIDTH>(ap_uint<64>(whole >> (AT + at))) << at;
    }
    return REST ? word<WIDTH>(part | word<WIDTH>(ap_uint<(REST ? REST : 1)>(whole >> (AT + WHOLE))) << WHOLE) : part;
#else
    return word<WIDTH>(whole >> AT);
#endif
}

/// A word of WIDE bits moved down by the NARROW bits of another, which enters at the top.
template <int WIDE, int NARROW> HWQAT_INLINE word<WIDE> shift_in(const word<WIDE> &whole, const word<NARROW> &top)
{
    static_assert(WIDE > NARROW, "the word that enters is the narrower one");
#if HWQAT_NATIVE
    word<WIDE> moved = slice<WIDE, NARROW, WIDE>(whole);
    moved.write(WIDE - NARROW, top);
    return moved;
#else
    return word<WIDE>(whole >> NARROW) | word<WIDE>(word<WIDE>(top) << (WIDE - NARROW));
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
HWQAT_INLINE beat<N, lane_of<TO>::bits> resize(const beat<N, lane_of<FROM>::bits> &whole)
{
    constexpr int BITS = lane_of<FROM>::bits, TO_BITS = lane_of<TO>::bits;
    constexpr bool SIGNED = lane_of<FROM>::is_signed;
    element_t<BITS, SIGNED> from[N];
    int_t<TO_BITS> to[N];
#pragma HLS ARRAY_PARTITION variable=from complete
#pragma HLS ARRAY_PARTITION variable=to complete
    unpack<BITS, SIGNED>(whole, from);
Lane:
    for (int i = 0; i < N; ++i) {
        HWQAT_UNROLL
        to[i] = from[i];
    }
    return pack<TO_BITS>(to);
}

} // namespace hwqat

#endif // HWQAT_LANES_H
