// Requantise: the one operation that changes scale.
//
//   out[p] = clamp(round(bias[p] + sum_i (in_i[p] * factor_i[p] << shift_i)), lo, hi)
//
// Factors are raw ap_fixed integers; `bias` is aligned to the sum's `frac` fractional bits and holds the
// half of AP_RND. A table has one word a channel group, or a single element for the whole tensor.
//
// Two inputs may share the multipliers of their lanes: a trip for each.
//
// S: pixels, groups, pe, in0_bits, in0_signed, shift0 (and in1_*, shift1 with two inputs), factor0_bits,
//    factor0_signed, ..., multiplier, bias_bits, sum_bits, frac, mode, lo, hi, out_bits, out_signed, cycles.
#ifndef HWQAT_REQUANT_H
#define HWQAT_REQUANT_H

#include "lanes.h"
#include "packed.h"
#include "rounding.h"
#include "trips.h"

namespace hwqat {

/// The constant of channel group `group`, lane `p`.
template <int BITS, bool SIGNED, int DEPTH, int LANES>
HWQAT_INLINE element_t<BITS, SIGNED> constant(const rom_t<BITS, SIGNED> (&table)[DEPTH][LANES], int group, int p)
{
    return element_t<BITS, SIGNED>(table[DEPTH == 1 ? 0 : group][LANES == 1 ? 0 : p]);
}

/// The sum rounded to an integer and brought into lo..hi.
template <class S> HWQAT_INLINE element_t<S::out_bits, S::out_signed> rounded_and_clamped(const sum_t<S::sum_bits> &sum)
{
    using y_t = element_t<S::out_bits, S::out_signed>;
    static_assert(S::out_bits <= 32, "a requantised element has at most 32 bits");
    constexpr long long LO = S::lo, HI = S::hi;
    const int_t<S::sum_bits> q = rounded<S::mode, S::frac>::template of<S::sum_bits>(sum);
    return q < LO ? y_t(LO) : q > HI ? y_t(HI) : y_t(q);
}

/// One input.
template <class S, int D0, int N0, int DB, int NB>
HWQAT_INLINE void requant(hls::stream<beat<S::pe, S::in0_bits>> &in, hls::stream<beat<S::pe, S::out_bits>> &out,
                          const rom_t<S::factor0_bits, S::factor0_signed> (&factor)[D0][N0],
                          const rom_t<S::bias_bits, true> (&bias)[DB][NB])
{
    static_assert(S::cycles == S::pixels * S::groups, "the plan's cycles must be pixels * groups");

Pixel:
    for (int pixel = 0; pixel < S::pixels; ++pixel) {
    Group:
        for (int group = 0; group < S::groups; ++group) {
            HWQAT_PIPELINE
            HWQAT_TRIP();
            element_t<S::in0_bits, S::in0_signed> x[S::pe];
            element_t<S::out_bits, S::out_signed> y[S::pe];
#pragma HLS ARRAY_PARTITION variable=x complete
#pragma HLS ARRAY_PARTITION variable=y complete
            unpack<S::in0_bits, S::in0_signed>(in.read(), x);
        Channel:
            for (int p = 0; p < S::pe; ++p) {
                HWQAT_UNROLL
                sum_t<S::sum_bits> sum = constant<S::bias_bits, true>(bias, group, p);
                sum += shifted_left<S::sum_bits, S::shift0>(
                    S::multiplier::template times<S::sum_bits>(x[p], constant<S::factor0_bits, S::factor0_signed>(factor, group, p)));
                y[p] = rounded_and_clamped<S>(sum);
            }
            out.write(pack<S::out_bits>(y));
        }
    }
}

/// Two inputs: a residual join.
template <class S, int D0, int N0, int D1, int N1, int DB, int NB>
HWQAT_INLINE void requant(hls::stream<beat<S::pe, S::in0_bits>> &in0,
                          hls::stream<beat<S::pe, S::in1_bits>> &in1,
                          hls::stream<beat<S::pe, S::out_bits>> &out,
                          const rom_t<S::factor0_bits, S::factor0_signed> (&factor0)[D0][N0],
                          const rom_t<S::factor1_bits, S::factor1_signed> (&factor1)[D1][N1],
                          const rom_t<S::bias_bits, true> (&bias)[DB][NB])
{
    static_assert(S::cycles == S::pixels * S::groups, "the plan's cycles must be pixels * groups");

Pixel:
    for (int pixel = 0; pixel < S::pixels; ++pixel) {
    Group:
        for (int group = 0; group < S::groups; ++group) {
            HWQAT_PIPELINE
            HWQAT_TRIP();
            element_t<S::in0_bits, S::in0_signed> x0[S::pe];
            element_t<S::in1_bits, S::in1_signed> x1[S::pe];
            element_t<S::out_bits, S::out_signed> y[S::pe];
#pragma HLS ARRAY_PARTITION variable=x0 complete
#pragma HLS ARRAY_PARTITION variable=x1 complete
#pragma HLS ARRAY_PARTITION variable=y complete
            HWQAT_READ_TOGETHER(in0, in1)
            unpack<S::in0_bits, S::in0_signed>(in0.read(), x0);
            unpack<S::in1_bits, S::in1_signed>(in1.read(), x1);
        Channel:
            for (int p = 0; p < S::pe; ++p) {
                HWQAT_UNROLL
                sum_t<S::sum_bits> sum = constant<S::bias_bits, true>(bias, group, p);
                sum += shifted_left<S::sum_bits, S::shift0>(
                    S::multiplier::template times<S::sum_bits>(x0[p], constant<S::factor0_bits, S::factor0_signed>(factor0, group, p)));
                sum += shifted_left<S::sum_bits, S::shift1>(
                    S::multiplier::template times<S::sum_bits>(x1[p], constant<S::factor1_bits, S::factor1_signed>(factor1, group, p)));
                y[p] = rounded_and_clamped<S>(sum);
            }
            out.write(pack<S::out_bits>(y));
        }
    }
}

/// Two inputs in turn, one multiplication a lane and trip; it takes what either input needs.
template <class S, int D0, int N0, int D1, int N1, int DB, int NB>
HWQAT_INLINE void requant_shared(hls::stream<beat<S::pe, S::in0_bits>> &in0,
                                 hls::stream<beat<S::pe, S::in1_bits>> &in1,
                                 hls::stream<beat<S::pe, S::out_bits>> &out,
                                 const rom_t<S::factor0_bits, S::factor0_signed> (&factor0)[D0][N0],
                                 const rom_t<S::factor1_bits, S::factor1_signed> (&factor1)[D1][N1],
                                 const rom_t<S::bias_bits, true> (&bias)[DB][NB])
{
    static_assert(S::cycles == S::pixels * S::groups * 2, "the plan's cycles must be pixels * groups * 2 inputs");
    constexpr int X_BITS = larger(S::in0_bits + !S::in0_signed, S::in1_bits + !S::in1_signed);
    constexpr int M_BITS = larger(S::factor0_bits + !S::factor0_signed, S::factor1_bits + !S::factor1_signed);

    sum_t<S::sum_bits> sum[S::pe];
#pragma HLS ARRAY_PARTITION variable=sum complete
Pixel:
    for (int pixel = 0; pixel < S::pixels; ++pixel) {
    Group:
        for (int group = 0; group < S::groups; ++group) {
        Input:
            for (int input = 0; input < 2; ++input) {
                HWQAT_PIPELINE
                HWQAT_TRIP();
                element_t<S::in0_bits, S::in0_signed> x0[S::pe];
                element_t<S::in1_bits, S::in1_signed> x1[S::pe];
                element_t<S::out_bits, S::out_signed> y[S::pe];
#pragma HLS ARRAY_PARTITION variable=x0 complete
#pragma HLS ARRAY_PARTITION variable=x1 complete
#pragma HLS ARRAY_PARTITION variable=y complete
                const bool first = input == 0;
                if (first) {
                    unpack<S::in0_bits, S::in0_signed>(in0.read(), x0);
                } else {
                    unpack<S::in1_bits, S::in1_signed>(in1.read(), x1);
                }
            Channel:
                for (int p = 0; p < S::pe; ++p) {
                    HWQAT_UNROLL
                    const int_t<M_BITS> m0 = constant<S::factor0_bits, S::factor0_signed>(factor0, group, p);
                    const int_t<M_BITS> m1 = constant<S::factor1_bits, S::factor1_signed>(factor1, group, p);
                    const int_t<X_BITS> x = first ? int_t<X_BITS>(x0[p]) : int_t<X_BITS>(x1[p]);
                    const sum_t<S::sum_bits> term = S::multiplier::template times<S::sum_bits>(x, first ? m0 : m1);
                    if (first) {
                        sum[p] = constant<S::bias_bits, true>(bias, group, p);
                        sum[p] += shifted_left<S::sum_bits, S::shift0>(term);
                    } else {
                        sum[p] += shifted_left<S::sum_bits, S::shift1>(term);
                        y[p] = rounded_and_clamped<S>(sum[p]);
                    }
                }
                if (!first) {
                    out.write(pack<S::out_bits>(y));
                }
            }
        }
    }
}

} // namespace hwqat

#endif // HWQAT_REQUANT_H
