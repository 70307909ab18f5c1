// Rounding a sum to an integer: the quantisation modes of ap_fixed, on integers.
//
//   round<MODE, FRAC>(sum) = sum * 2^-FRAC, rounded once; exact for FRAC <= 0
//
// AP_RND's half is in the bias that requantise adds, so in hardware AP_RND and AP_TRN are plain shifts.
#ifndef HWQAT_ROUNDING_H
#define HWQAT_ROUNDING_H

#include "types.h"

namespace hwqat {

enum class rounding { shift, trn_zero, rnd_zero, rnd_inf, rnd_min_inf, rnd_conv };

template <rounding MODE, int FRAC, bool EXACT = (FRAC <= 0)> struct rounded {
    template <int BITS> static HWQAT_INLINE int_t<BITS> of(const sum_t<BITS> &sum)
    {
        constexpr int WIDE = BITS > FRAC ? BITS : FRAC + 1;
        const int_t<WIDE> wide = wrap<BITS>(sum);
        const int_t<BITS> floor = wide >> FRAC;
        if (MODE == rounding::shift) {
            return floor;
        }
        const uint_t<FRAC> rest = low<FRAC>(wide); // 0 <= rest < 2^FRAC, also for a negative sum
        const uint_t<FRAC> half = uint_t<FRAC>(1) << (FRAC - 1);
        const bool negative = wide < 0;
        const bool tie_up = MODE == rounding::rnd_zero      ? negative
                            : MODE == rounding::rnd_inf     ? !negative
                            : MODE == rounding::rnd_min_inf ? false
                                                            : (floor & 1) != 0; // to even
        const bool up = MODE == rounding::trn_zero ? negative && rest != 0 : rest > half || (rest == half && tie_up);
        return up ? wrap<BITS>(floor + 1) : floor;
    }
};

template <rounding MODE, int FRAC> struct rounded<MODE, FRAC, true> {
    template <int BITS> static HWQAT_INLINE int_t<BITS> of(const sum_t<BITS> &sum)
    {
        return wrap<BITS>(shifted_left<BITS, -FRAC>(sum));
    }
};

#if !HWQAT_NATIVE && !defined(__BAMBU__)
/// The same mode as ap_fixed spells it.
template <rounding MODE> struct ap_mode;
template <> struct ap_mode<rounding::shift> { static constexpr ap_q_mode value = AP_TRN; };
template <> struct ap_mode<rounding::trn_zero> { static constexpr ap_q_mode value = AP_TRN_ZERO; };
template <> struct ap_mode<rounding::rnd_zero> { static constexpr ap_q_mode value = AP_RND_ZERO; };
template <> struct ap_mode<rounding::rnd_inf> { static constexpr ap_q_mode value = AP_RND_INF; };
template <> struct ap_mode<rounding::rnd_min_inf> { static constexpr ap_q_mode value = AP_RND_MIN_INF; };
template <> struct ap_mode<rounding::rnd_conv> { static constexpr ap_q_mode value = AP_RND_CONV; };
#endif

} // namespace hwqat

#endif // HWQAT_ROUNDING_H
