// Beats and their elements: element i of a beat is bits [i * BITS +: BITS].
//
// This is the only place that cuts or joins words. Each compiler gets what it does well: Vitis ranges that
// are constant once the loop is unrolled, bambu shifts by constants, g++ whole 64-bit chunks.
#ifndef HWQAT_LANES_H
#define HWQAT_LANES_H

#include "types.h"

namespace hwqat {

#if HWQAT_SIM
/// A word as 64-bit chunks, lowest first, and one empty chunk above them. It takes them from ap_private, which
/// both Vitis's headers and the open ones have inside: ranges are ten times slower to run and to compile.
template <int WIDTH, bool WIDE = (WIDTH > 64)> struct chunks {
    static constexpr int COUNT = (WIDTH + 63) / 64;
    unsigned long long chunk[COUNT + 1];

    chunks() : chunk() {}

    explicit chunks(const ap_uint<WIDTH> &word) : chunk()
    {
        for (int i = 0; i < COUNT; ++i) {
            chunk[i] = word.V.get_pVal(i);
        }
    }

    ap_uint<WIDTH> word() const
    {
        ap_uint<WIDTH> word;
        for (int i = 0; i < COUNT; ++i) {
            word.V.set_pVal(i, chunk[i]);
        }
        return word;
    }

    /// 64 bits from bit `at` on.
    unsigned long long read(int at) const
    {
        const int shift = at % 64;
        return shift ? chunk[at / 64] >> shift | chunk[at / 64 + 1] << (64 - shift) : chunk[at / 64];
    }

    /// Put `bits` (all above them zero) at bit `at`, which is still zero.
    void write(int at, unsigned long long bits)
    {
        const int shift = at % 64;
        chunk[at / 64] |= bits << shift;
        if (shift) {
            chunk[at / 64 + 1] |= bits >> (64 - shift);
        }
    }
};

template <int WIDTH> struct chunks<WIDTH, false> {
    unsigned long long bits;

    chunks() : bits(0) {}
    explicit chunks(const ap_uint<WIDTH> &word) : bits(word.to_uint64()) {}
    ap_uint<WIDTH> word() const { return bits; }
    unsigned long long read(int at) const { return bits >> at; }
    void write(int at, unsigned long long more) { bits |= more << at; }
};

/// Put a word at bit `at` of a wider one.
template <int WIDTH, bool WIDE, int BITS>
HWQAT_INLINE void write_word(chunks<WIDTH, WIDE> &raw, int at, const ap_uint<BITS> &word)
{
    const chunks<BITS> part(word);
    for (int i = 0; i < BITS; i += 64) {
        raw.write(at + i, part.read(i));
    }
}
#endif

/// The elements of a beat.
template <int N, class T> HWQAT_INLINE void unpack(const ap_uint<N * width_of<T>::value> &beat, T (&element)[N])
{
    constexpr int BITS = width_of<T>::value;
    static_assert(BITS <= 64, "an element has at most 64 bits");
#if HWQAT_SIM
    const chunks<N * BITS> raw(beat);
    for (int i = 0; i < N; ++i) {
        element[i] = T(raw.read(i * BITS));
    }
#elif defined(__BAMBU__)
    ap_uint<N * BITS> rest = beat;
    for (int i = 0; i < N; ++i) {
        element[i] = T(ap_uint<BITS>(rest));
        rest >>= BITS;
    }
#else
Lane:
    for (int i = 0; i < N; ++i) {
        HWQAT_UNROLL
        element[i].range(BITS - 1, 0) = beat.range(i * BITS + BITS - 1, i * BITS);
    }
#endif
}

/// The beat of N elements.
template <int N, class T> HWQAT_INLINE ap_uint<N * width_of<T>::value> pack(const T (&element)[N])
{
    constexpr int BITS = width_of<T>::value;
    static_assert(BITS <= 64, "an element has at most 64 bits");
#if HWQAT_SIM
    chunks<N * BITS> raw;
    for (int i = 0; i < N; ++i) {
        raw.write(i * BITS, ap_uint<BITS>(element[i]).to_uint64());
    }
    return raw.word();
#elif defined(__BAMBU__)
    ap_uint<N * BITS> beat = 0;
    for (int i = 0; i < N; ++i) {
        beat = (beat >> BITS) | (ap_uint<N * BITS>(ap_uint<BITS>(element[i])) << ((N - 1) * BITS));
    }
    return beat;
#else
    ap_uint<N * BITS> beat;
Lane:
    for (int i = 0; i < N; ++i) {
        HWQAT_UNROLL
        beat.range(i * BITS + BITS - 1, i * BITS) = element[i].range(BITS - 1, 0);
    }
    return beat;
#endif
}

/// N words side by side, word 0 lowest.
template <int N, int BITS> HWQAT_INLINE ap_uint<N * BITS> join(const ap_uint<BITS> (&word)[N])
{
#if defined(__BAMBU__)
    ap_uint<N * BITS> beat = 0;
    for (int i = 0; i < N; ++i) {
        beat = (beat >> BITS) | (ap_uint<N * BITS>(word[i]) << ((N - 1) * BITS));
    }
    return beat;
#elif HWQAT_SIM
    chunks<N * BITS> raw;
    for (int i = 0; i < N; ++i) {
        write_word(raw, i * BITS, word[i]);
    }
    return raw.word();
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

/// Each element of a beat in another type of at least its bits: signed ones keep their sign.
template <int N, class FROM, class TO>
HWQAT_INLINE ap_uint<N * width_of<TO>::value> extend(const ap_uint<N * width_of<FROM>::value> &beat)
{
    static_assert(width_of<TO>::value >= width_of<FROM>::value, "elements may be widened, not cut");
    FROM from[N];
    TO to[N];
#pragma HLS ARRAY_PARTITION variable=from complete
#pragma HLS ARRAY_PARTITION variable=to complete
    unpack(beat, from);
Lane:
    for (int i = 0; i < N; ++i) {
        HWQAT_UNROLL
        to[i] = from[i];
    }
    return pack(to);
}

} // namespace hwqat

#endif // HWQAT_LANES_H
