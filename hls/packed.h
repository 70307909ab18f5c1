// Multipliers: how the products of an element and its weights are made, as the plan has it.
//
//   dot<WEIGHT_BITS, SUM_BITS>(x, w, sum):   sum[k] = sum over i of x[i] * w[k][i], of which the low bits matter
//
// `packed` makes COUNT products that share their element in one multiplication. The weights stand PITCH bits
// apart in the multiplier's wide operand, so that one product holds all of theirs, and the sum of such
// products holds all sums (Xilinx WP486):
//
//   word(i) = sum_k w[k][i] << (k * PITCH)       together = sum_i word(i) * x[i] = sum_k sum[k] << (k * PITCH)
//
// A field's negative number borrows one from the field above it, which gets it back from the sign bit below
// it. This is exact as long as every field's sum stays within -(2^(PITCH-1) - 1) .. 2^(PITCH-1) - 1: TERMS
// products do for all operands (hwqat/devices.py works them out).
#ifndef HWQAT_PACKED_H
#define HWQAT_PACKED_H

#include "weight.h"

namespace hwqat {

/// Each product of its own, bound to LUTs or to a multiplier block.
template <class UNIT> struct plain {
    static constexpr int count = 1;

    template <int WEIGHT_BITS, int SUM_BITS, class X, int N>
    static HWQAT_INLINE void dot(const X (&x)[N], const weight_rom<WEIGHT_BITS> (&w)[1][N], sum_t<SUM_BITS> (&sum)[1])
    {
        sum[0] = 0;
    Term:
        for (int i = 0; i < N; ++i) {
            HWQAT_UNROLL
            sum[0] += weight<WEIGHT_BITS>::template times<UNIT, SUM_BITS>(x[i], w[0][i]);
        }
    }
};

// BIND_OP binds the operation that its variable is initialised with: the product itself, before it is cut.
struct luts {
    template <int BITS, class A, class B> static HWQAT_INLINE sum_t<BITS> times(const A &a, const B &b)
    {
        const auto result = operand_t<BITS, A>(a) * operand_t<BITS, B>(b);
        HWQAT_BIND_PRODUCT(result, fabric)
        return result;
    }

    /// All of its bits, of numbers with any binary point.
    template <class A, class B> static HWQAT_INLINE auto exact(const A &a, const B &b) -> decltype(a * b)
    {
        const auto result = a * b;
        HWQAT_BIND_PRODUCT(result, fabric)
        return result;
    }
};

struct dsp {
    template <int BITS, class A, class B> static HWQAT_INLINE sum_t<BITS> times(const A &a, const B &b)
    {
        const auto result = operand_t<BITS, A>(a) * operand_t<BITS, B>(b);
        HWQAT_BIND_PRODUCT(result, dsp)
        return result;
    }

    /// All of its bits, of numbers with any binary point.
    template <class A, class B> static HWQAT_INLINE auto exact(const A &a, const B &b) -> decltype(a * b)
    {
        const auto result = a * b;
        HWQAT_BIND_PRODUCT(result, dsp)
        return result;
    }
};

/// Of whichever the compiler takes.
struct either {
    template <int BITS, class A, class B> static HWQAT_INLINE sum_t<BITS> times(const A &a, const B &b)
    {
        return product<BITS>(a, b);
    }

    template <class A, class B> static HWQAT_INLINE auto exact(const A &a, const B &b) -> decltype(a * b)
    {
        return a * b;
    }
};

/// COUNT products in one multiplication; at most TERMS of them are added before they are unpacked. The word's sum is
/// the multiplier's own pre-adder, and together += word * x its accumulator: no pragma must part them.
template <int COUNT, int PITCH, int TERMS> struct packed {
    static constexpr int count = COUNT;

    template <int WEIGHT_BITS, int SUM_BITS, class X, int N>
    static HWQAT_INLINE void dot(const X (&x)[N], const weight_rom<WEIGHT_BITS> (&w)[COUNT][N],
                                 sum_t<SUM_BITS> (&sum)[COUNT])
    {
        constexpr int WORD_BITS = (COUNT - 1) * PITCH + WEIGHT_BITS + 1, FIELDS = COUNT * PITCH;
        constexpr int GROUPS = (N + TERMS - 1) / TERMS, GROUP = (N + GROUPS - 1) / GROUPS; // of about one size
    Clear:
        for (int k = 0; k < COUNT; ++k) {
            HWQAT_UNROLL
            sum[k] = 0;
        }
    Group:
        for (int group = 0; group < N; group += GROUP) {
            HWQAT_UNROLL
            sum_t<FIELDS> together = 0;
        Term:
            for (int t = 0; t < GROUP; ++t) {
                HWQAT_UNROLL
                if (group + t < N) {
                    sum_t<WORD_BITS> word = 0;
                Weight:
                    for (int k = COUNT - 1; k >= 0; --k) {
                        HWQAT_UNROLL
                        word = shifted_left<WORD_BITS, PITCH>(word) + int_t<WEIGHT_BITS>(w[k][group + t]);
                    }
                    together += product<FIELDS>(wrap<WORD_BITS>(word), x[group + t]);
                }
            }
        Field:
            for (int k = 0; k < COUNT; ++k) {
                HWQAT_UNROLL
                sum[k] += wrap<PITCH>(together);
                together = (together >> PITCH) + ((together >> (PITCH - 1)) & 1);
            }
        }
    }
};

} // namespace hwqat

#endif // HWQAT_PACKED_H
