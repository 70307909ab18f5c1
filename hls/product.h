// One product of a multiply-accumulate: element times weight.
//
// Weights of one bit are signs: 0 is +1, 1 is -1; their product is a choice, not a multiplication.
#ifndef HWQAT_PRODUCT_H
#define HWQAT_PRODUCT_H

#include "types.h"

namespace hwqat {

/// What a ROM's word means as a weight.
template <int BITS> struct weight {
    using type = ap_int<BITS>;
    using rom = rom_int<BITS>;
};
template <> struct weight<1> {
    using type = ap_uint<1>;
    using rom = rom_uint<1>;
};
template <int BITS> using weight_t = typename weight<BITS>::type;
template <int BITS> using weight_rom = typename weight<BITS>::rom;

template <class X, int BITS> HWQAT_INLINE ap_int<width_of<X>::value + BITS> product(const X &x, const ap_int<BITS> &w)
{
    return x * w;
}

template <class X> HWQAT_INLINE ap_int<width_of<X>::value + 1> product(const X &x, const ap_uint<1> &minus)
{
    const ap_int<width_of<X>::value + 1> wide = x;
    return minus ? ap_int<width_of<X>::value + 1>(-wide) : wide;
}

} // namespace hwqat

#endif // HWQAT_PRODUCT_H
