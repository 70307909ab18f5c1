// Beats and their elements: element i of a beat is bits [i * BITS +: BITS].
//
// This is the only place that cuts or joins words. Each compiler gets what it does well: Vitis ranges that
// are constant once the loop is unrolled, bambu shifts by constants, g++ whole 64-bit chunks.
#ifndef HWQAT_LANES_H
#define HWQAT_LANES_H

#include "types.h"

namespace hwqat {

#if HWQAT_SIM
/// A word as 64-bit chunks, lowest first, and one empty chunk above them.
template <int WIDTH> struct chunks {
    static constexpr int COUNT = (WIDTH + 63) / 64;
    unsigned long long chunk[COUNT + 1];

    chunks() : chunk() {}

    explicit chunks(const ap_uint<WIDTH> &word) : chunk()
    {
        for (int i = 0; i < COUNT - 1; ++i) {
            chunk[i] = word.range(64 * i + 63, 64 * i).to_uint64();
        }
        chunk[COUNT - 1] = word.range(WIDTH - 1, 64 * (COUNT - 1)).to_uint64();
    }

    ap_uint<WIDTH> word() const
    {
        ap_uint<WIDTH> word = 0;
        for (int i = 0; i < COUNT - 1; ++i) {
            word.range(64 * i + 63, 64 * i) = chunk[i];
        }
        word.range(WIDTH - 1, 64 * (COUNT - 1)) = chunk[COUNT - 1];
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
#else
    ap_uint<N * BITS> beat = 0;
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
