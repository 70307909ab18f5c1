// Weights, and the product of an element and a weight.
//
// A weight of one bit is a sign: 0 is +1, 1 is -1; its product is a choice, not a multiplication.
#ifndef HWQAT_WEIGHT_H
#define HWQAT_WEIGHT_H

#include "constant.h"

namespace hwqat {

template <int BITS> struct weight {
    using rom = rom_int<BITS>;

    /// The integer of an element of a table, which may hold real constants.
    template <class T> static HWQAT_INLINE rom raw(const T &element) { return raw_of<BITS, true>(element); }
    static HWQAT_INLINE const rom &raw(const rom &element) { return element; }

    /// x * w, of which the low SUM_BITS bits matter; UNIT multiplies.
    template <class UNIT, int SUM_BITS, class X> static HWQAT_INLINE sum_t<SUM_BITS> times(const X &x, const rom &w)
    {
        return UNIT::template times<SUM_BITS>(x, int_t<BITS>(w));
    }
};

template <> struct weight<1> {
    using rom = rom_uint<1>;

    static HWQAT_INLINE const rom &raw(const rom &element) { return element; }

    template <class, int SUM_BITS, class X> static HWQAT_INLINE sum_t<SUM_BITS> times(const X &x, const rom &minus)
    {
        const sum_t<SUM_BITS> plus = x;
        return minus != 0 ? sum_t<SUM_BITS>(-plus) : plus;
    }
};

template <int BITS> using weight_rom = typename weight<BITS>::rom;

} // namespace hwqat

#endif // HWQAT_WEIGHT_H
