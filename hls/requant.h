// Requantise: the one operation that changes scale.
//
//   out[p] = clamp(round(bias[p] + sum_i (in_i[p] * factor_i[p] << shift_i)), lo, hi)
//
// Factors and bias are real numbers, ap_fixed in hardware: products and sum are exact there, and an assignment
// rounds once. `bias` has the sum's binary point, `frac` fractional bits, and the half of AP_RND in it. In
// C-simulation all of them are raw integers, shifted where binary points differ. A table has one word a channel
// group, or a single element for the whole tensor.
//
// Two inputs may share the multipliers of their lanes, a trip for each: those multiply raw integers everywhere.
//
// S: pixels, groups, pe, in0_bits, in0_signed, shift0 (and in1_*, shift1 with two inputs), factor0_bits,
//    factor0_signed, ..., multiplier, bias_bits, sum_bits, frac, mode, lo, hi, out_bits, out_signed, cycles.
#ifndef HWQAT_REQUANT_H
#define HWQAT_REQUANT_H

#include "constant.h"
#include "lanes.h"
#include "packed.h"
#include "rounding.h"
#include "trips.h"

namespace hwqat {

/// An integer brought into lo..hi.
template <class S, class Q> HWQAT_INLINE element_t<S::out_bits, S::out_signed> clamped(const Q &q)
{
    using y_t = element_t<S::out_bits, S::out_signed>;
    static_assert(S::out_bits <= 32, "a requantised element has at most 32 bits");
    constexpr long long LO = S::lo, HI = S::hi;
    return q < LO ? y_t(LO) : q > HI ? y_t(HI) : y_t(q);
}

/// A sum of raw integers rounded and brought into lo..hi.
template <class S> HWQAT_INLINE element_t<S::out_bits, S::out_signed> rounded_and_clamped(const sum_t<S::sum_bits> &sum)
{
    return clamped<S>(rounded<S::mode, S::frac>::template of<S::sum_bits>(sum));
}

#if HWQAT_FIXED_POINT
/// Bias and products, exactly.
template <class S> using requant_sum = ap_fixed<S::sum_bits, S::sum_bits - S::frac>;

template <class S, int BITS, int INTEGER> HWQAT_INLINE requant_sum<S> begin_sum(const ap_fixed<BITS, INTEGER> &bias)
{
    static_assert(BITS - INTEGER == S::frac, "the bias must have the binary point of the sum");
    return bias;
}

/// Of a bias that no double holds: its raw integer.
template <class S, class B> HWQAT_INLINE requant_sum<S> begin_sum(const B &bias)
{
    const ap_int<S::sum_bits> raw = bias;
    requant_sum<S> sum;
    sum.range(S::sum_bits - 1, 0) = raw.range(S::sum_bits - 1, 0);
    return sum;
}

template <class S, int BITS, bool SIGNED, int SHIFT, class X, class M>
HWQAT_INLINE void add_product(requant_sum<S> &sum, const X &x, const M &factor)
{
    sum += S::multiplier::exact(x, factor);
}

/// The sum rounded to an integer, by its assignment to one, and brought into lo..hi.
template <class S> HWQAT_INLINE element_t<S::out_bits, S::out_signed> rounded_and_clamped(const requant_sum<S> &sum)
{
    constexpr int BITS = larger(S::sum_bits - S::frac + 1, 2);
    const ap_fixed<BITS, BITS, ap_mode<S::mode>::value, AP_WRAP> q = sum;
    return clamped<S>(ap_int<BITS>(q));
}

#else
template <class S> using requant_sum = sum_t<S::sum_bits>;

template <class S, class B> HWQAT_INLINE requant_sum<S> begin_sum(const B &bias)
{
    return element_t<S::bias_bits, true>(bias);
}

template <class S, int BITS, bool SIGNED, int SHIFT, class X, class M>
HWQAT_INLINE void add_product(requant_sum<S> &sum, const X &x, const M &factor)
{
    sum += shifted_left<S::sum_bits, SHIFT>(
        S::multiplier::template times<S::sum_bits>(x, raw_of<BITS, SIGNED>(factor)));
}
#endif

/// One input.
template <class S, class M0, int D0, int N0, class B, int DB, int NB>
HWQAT_INLINE void requant(hls::stream<beat<S::pe, S::in0_bits>> &in, hls::stream<beat<S::pe, S::out_bits>> &out,
                          const M0 (&factor)[D0][N0], const B (&bias)[DB][NB])
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
                requant_sum<S> sum = begin_sum<S>(constant_at(bias, group, p));
                add_product<S, S::factor0_bits, S::factor0_signed, S::shift0>(sum, x[p], constant_at(factor, group, p));
                y[p] = rounded_and_clamped<S>(sum);
            }
            out.write(pack<S::out_bits>(y));
        }
    }
}

/// Two inputs: a residual join.
template <class S, class M0, int D0, int N0, class M1, int D1, int N1, class B, int DB, int NB>
HWQAT_INLINE void requant(hls::stream<beat<S::pe, S::in0_bits>> &in0,
                          hls::stream<beat<S::pe, S::in1_bits>> &in1,
                          hls::stream<beat<S::pe, S::out_bits>> &out,
                          const M0 (&factor0)[D0][N0], const M1 (&factor1)[D1][N1], const B (&bias)[DB][NB])
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
                requant_sum<S> sum = begin_sum<S>(constant_at(bias, group, p));
                add_product<S, S::factor0_bits, S::factor0_signed, S::shift0>(sum, x0[p],
                                                                              constant_at(factor0, group, p));
                add_product<S, S::factor1_bits, S::factor1_signed, S::shift1>(sum, x1[p],
                                                                              constant_at(factor1, group, p));
                y[p] = rounded_and_clamped<S>(sum);
            }
            out.write(pack<S::out_bits>(y));
        }
    }
}

/// Two inputs in turn, one multiplication a lane and trip; it takes what either input needs.
template <class S, class M0, int D0, int N0, class M1, int D1, int N1, class B, int DB, int NB>
HWQAT_INLINE void requant_shared(hls::stream<beat<S::pe, S::in0_bits>> &in0,
                                 hls::stream<beat<S::pe, S::in1_bits>> &in1,
                                 hls::stream<beat<S::pe, S::out_bits>> &out,
                                 const M0 (&factor0)[D0][N0], const M1 (&factor1)[D1][N1], const B (&bias)[DB][NB])
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
                    const int_t<M_BITS> m0 = raw_of<S::factor0_bits, S::factor0_signed>(constant_at(factor0, group, p));
                    const int_t<M_BITS> m1 = raw_of<S::factor1_bits, S::factor1_signed>(constant_at(factor1, group, p));
                    const int_t<X_BITS> x = first ? int_t<X_BITS>(x0[p]) : int_t<X_BITS>(x1[p]);
                    const sum_t<S::sum_bits> term = S::multiplier::template times<S::sum_bits>(x, first ? m0 : m1);
                    if (first) {
                        sum[p] = raw_of<S::bias_bits, true>(constant_at(bias, group, p));
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
