// Constants: integers in ap_int, real numbers in ap_fixed, as the plan's formats have them.
//
// `constant<ap_fixed<W, I>>` is that very type in hardware and with -DHWQAT_AP_ARITHMETIC. In C-simulation, and for
// bambu (which loses tables of ap types wider than 32 bits), the same name is a native integer: the raw one.
// A table has both beside each other, HWQAT_REAL(raw, value): a double holds every value exactly, so no compiler
// rounds any. `many_constants<ap_fixed<W, I>>` and HWQAT_MANY_REAL are the same for weights, but native in all
// C-simulation: g++ would build a table of ap_fixed one by one, for minutes.
#ifndef HWQAT_CONSTANT_H
#define HWQAT_CONSTANT_H

#include "types.h"
#include <ap_fixed.h>

#if HWQAT_NATIVE || defined(__BAMBU__)
#define HWQAT_FIXED_POINT 0
#define HWQAT_REAL(raw, value) raw
#else
#define HWQAT_FIXED_POINT 1
#define HWQAT_REAL(raw, value) value
#endif
#if HWQAT_SIM || defined(__BAMBU__)
#define HWQAT_MANY_REAL(raw, value) raw
#else
#define HWQAT_MANY_REAL(raw, value) value
#endif

namespace hwqat {

/// The integer that holds a T's raw one.
template <class T> struct raw_rom;
template <int BITS> struct raw_rom<ap_int<BITS>> { using type = rom_int<BITS>; };
template <int BITS> struct raw_rom<ap_uint<BITS>> { using type = rom_uint<BITS>; };
template <int BITS, int INTEGER> struct raw_rom<ap_fixed<BITS, INTEGER>> { using type = rom_int<BITS>; };
template <int BITS, int INTEGER> struct raw_rom<ap_ufixed<BITS, INTEGER>> { using type = rom_uint<BITS>; };

template <class T> struct constant_of : raw_rom<T> {};
#if HWQAT_FIXED_POINT
template <int BITS, int INTEGER> struct constant_of<ap_fixed<BITS, INTEGER>> { using type = ap_fixed<BITS, INTEGER>; };
template <int BITS, int INTEGER> struct constant_of<ap_ufixed<BITS, INTEGER>> { using type = ap_ufixed<BITS, INTEGER>; };
#endif

/// What a table of T holds.
template <class T> using constant = typename constant_of<T>::type;
#if HWQAT_SIM || defined(__BAMBU__)
template <class T> using many_constants = typename raw_rom<T>::type;
#else
template <class T> using many_constants = constant<T>;
#endif

/// The raw integer of a constant.
template <int BITS, bool SIGNED, class T> HWQAT_INLINE element_t<BITS, SIGNED> raw_of(const T &integer)
{
    return element_t<BITS, SIGNED>(integer);
}

#if HWQAT_FIXED_POINT
template <int BITS, bool SIGNED, int INTEGER> HWQAT_INLINE ap_int<BITS> raw_of(const ap_fixed<BITS, INTEGER> &real)
{
    ap_int<BITS> raw;
    raw.range(BITS - 1, 0) = real.range(BITS - 1, 0);
    return raw;
}
template <int BITS, bool SIGNED, int INTEGER> HWQAT_INLINE ap_uint<BITS> raw_of(const ap_ufixed<BITS, INTEGER> &real)
{
    ap_uint<BITS> raw;
    raw.range(BITS - 1, 0) = real.range(BITS - 1, 0);
    return raw;
}
#endif

/// The constant of channel group `group`, lane `p`, in a table of one word a group, or of one for the whole tensor.
template <class T, int DEPTH, int LANES>
HWQAT_INLINE const T &constant_at(const T (&table)[DEPTH][LANES], int group, int p)
{
    return table[DEPTH == 1 ? 0 : group][LANES == 1 ? 0 : p];
}

} // namespace hwqat

#endif // HWQAT_CONSTANT_H
