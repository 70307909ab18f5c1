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
    template <int BITS> static HWQAT_INLINE ap_int<BITS> of(const ap_int<BITS> &sum)
    {
        constexpr int WIDE = BITS > FRAC ? BITS : FRAC + 1;
        const ap_int<WIDE> wide = sum;
        const ap_int<BITS> floor = wide >> FRAC;
        if (MODE == rounding::shift) {
            return floor;
        }
        const ap_uint<FRAC> rest = wide; // 0 <= rest < 2^FRAC, also for a negative sum
        const ap_uint<FRAC> half = ap_uint<FRAC>(1) << (FRAC - 1);
        const bool negative = sum < 0;
        const bool tie_up = MODE == rounding::rnd_zero      ? negative
                            : MODE == rounding::rnd_inf     ? !negative
                            : MODE == rounding::rnd_min_inf ? false
                                                            : bool(floor[0]); // to even
        const bool up = MODE == rounding::trn_zero ? negative && rest != 0 : rest > half || (rest == half && tie_up);
        return up ? ap_int<BITS>(floor + 1) : floor;
    }
};

template <rounding MODE, int FRAC> struct rounded<MODE, FRAC, true> {
    template <int BITS> static HWQAT_INLINE ap_int<BITS> of(const ap_int<BITS> &sum) { return sum << -FRAC; }
};

} // namespace hwqat

#endif // HWQAT_ROUNDING_H
