// Types of elements, constants and counters.
#ifndef HWQAT_TYPES_H
#define HWQAT_TYPES_H

#include "dialect.h"

namespace hwqat {

/// An element of a stream: ap_int<BITS> or ap_uint<BITS>.
template <int BITS, bool SIGNED> struct element {
    using type = ap_int<BITS>;
};
template <int BITS> struct element<BITS, false> {
    using type = ap_uint<BITS>;
};
template <int BITS, bool SIGNED> using element_t = typename element<BITS, SIGNED>::type;

/// Bits of an element type.
template <class T> struct width_of;
template <int BITS> struct width_of<ap_int<BITS>> {
    static constexpr int value = BITS;
};
template <int BITS> struct width_of<ap_uint<BITS>> {
    static constexpr int value = BITS;
};

/// Bits that count 0..count-1; at least 1.
constexpr int bits_for(long long count)
{
    int bits = 1;
    while (bits < 62 && (1LL << bits) < count) {
        ++bits;
    }
    return bits;
}

#if HWQAT_SIM
// g++ builds a table of class-type elements one by one, for minutes; it builds one of native integers at
// once. The values are the same: the generator has checked that they fit.
template <int BYTES, bool SIGNED> struct native;
template <> struct native<1, true> { using type = signed char; };
template <> struct native<2, true> { using type = short; };
template <> struct native<4, true> { using type = int; };
template <> struct native<8, true> { using type = long long; };
template <> struct native<1, false> { using type = unsigned char; };
template <> struct native<2, false> { using type = unsigned short; };
template <> struct native<4, false> { using type = unsigned; };
template <> struct native<8, false> { using type = unsigned long long; };
template <int BITS, bool SIGNED> struct rom_element {
    static_assert(BITS >= 1 && BITS <= 64, "constants have 1..64 bits");
    using type = typename native<(BITS <= 8 ? 1 : BITS <= 16 ? 2 : BITS <= 32 ? 4 : 8), SIGNED>::type;
};
template <int BITS, bool SIGNED> using rom_t = typename rom_element<BITS, SIGNED>::type;

/// A counter of 0..COUNT-1.
template <long long COUNT> using index_t = int;
#else
template <int BITS, bool SIGNED> using rom_t = element_t<BITS, SIGNED>;
template <long long COUNT> using index_t = ap_uint<bits_for(COUNT)>;
#endif

/// A constant of a ROM: rom_int<8> is ap_int<8> in hardware, and the native integer that holds it in C-simulation.
template <int BITS> using rom_int = rom_t<BITS, true>;
template <int BITS> using rom_uint = rom_t<BITS, false>;

} // namespace hwqat

#endif // HWQAT_TYPES_H
