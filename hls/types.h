// Integers of any width: elements, sums, constants, counters.
//
// In hardware all of them are ap_int and ap_uint. In C-simulation they are native integers, brought to their
// width wherever hardware would drop bits; that is many times faster to compile and to run. With
// -DHWQAT_AP_ARITHMETIC C-simulation uses the types of the hardware throughout: the tests demand the same
// integers from both.
#ifndef HWQAT_TYPES_H
#define HWQAT_TYPES_H

#include "dialect.h"

#if HWQAT_SIM && !defined(HWQAT_AP_ARITHMETIC)
#define HWQAT_NATIVE 1
#else
#define HWQAT_NATIVE 0
#endif

namespace hwqat {

#if HWQAT_SIM || defined(__BAMBU__)
/// The native integer of so many bytes.
template <int BYTES, bool SIGNED> struct native;
template <> struct native<1, true> { using type = signed char; };
template <> struct native<2, true> { using type = short; };
template <> struct native<4, true> { using type = int; };
template <> struct native<8, true> { using type = long long; };
template <> struct native<1, false> { using type = unsigned char; };
template <> struct native<2, false> { using type = unsigned short; };
template <> struct native<4, false> { using type = unsigned; };
template <> struct native<8, false> { using type = unsigned long long; };
#if HWQAT_SIM
__extension__ typedef __int128 signed_128;
__extension__ typedef unsigned __int128 unsigned_128;
template <> struct native<16, true> { using type = signed_128; };
template <> struct native<16, false> { using type = unsigned_128; };
#endif

/// Bytes of the smallest native integer that holds `bits`, and of the smallest that promotion leaves alone.
constexpr int bytes_for(int bits) { return bits <= 8 ? 1 : bits <= 16 ? 2 : bits <= 32 ? 4 : bits <= 64 ? 8 : 16; }
constexpr int word_bytes_for(int bits) { return bits <= 32 ? 4 : bytes_for(bits); }

template <int BITS, bool SIGNED> using native_t = typename native<bytes_for(BITS), SIGNED>::type;
#endif

#if HWQAT_NATIVE
template <int BITS> using int_t = native_t<BITS, true>;
template <int BITS> using uint_t = native_t<BITS, false>;
/// A sum whose low BITS bits matter.
template <int BITS> using sum_t = typename native<word_bytes_for(BITS), false>::type;

/// The low BITS bits of a number, as a signed one.
template <int BITS, class V> HWQAT_INLINE int_t<BITS> wrap(const V &value)
{
    using word = sum_t<BITS>;
    constexpr int UNUSED = 8 * int(sizeof(word)) - BITS;
    static_assert(UNUSED >= 0, "native integers have at most 128 bits");
    return typename native<int(sizeof(word)), true>::type(word(value) << UNUSED) >> UNUSED;
}

/// The low BITS bits of a number, as an unsigned one.
template <int BITS, class V> HWQAT_INLINE uint_t<BITS> low(const V &value)
{
    using word = sum_t<BITS>;
    return word(value) & (~word(0) >> (8 * int(sizeof(word)) - BITS));
}

/// What an operand of a product is, of which the low BITS bits matter: native words are widened first.
template <int BITS, class A> using operand_t = sum_t<BITS>;

/// value << SHIFT, of which the low BITS bits matter.
template <int BITS, int SHIFT, class V> HWQAT_INLINE sum_t<BITS> shifted_left(const V &value)
{
    constexpr int WORD = 8 * int(sizeof(sum_t<BITS>));
    return SHIFT < WORD ? sum_t<BITS>(value) << (SHIFT < WORD ? SHIFT : 0) : sum_t<BITS>(0);
}

#else
template <int BITS> using int_t = ap_int<BITS>;
template <int BITS> using uint_t = ap_uint<BITS>;
template <int BITS> using sum_t = ap_int<BITS>;

template <int BITS, class V> HWQAT_INLINE ap_int<BITS> wrap(const V &value) { return ap_int<BITS>(value); }
template <int BITS, class V> HWQAT_INLINE ap_uint<BITS> low(const V &value) { return ap_uint<BITS>(value); }
template <int BITS, class A> using operand_t = A;
template <int BITS, int SHIFT, class V> HWQAT_INLINE ap_int<BITS> shifted_left(const V &value)
{
    return ap_int<BITS>(value) << SHIFT;
}
#endif

/// a * b, of which the low BITS bits matter.
template <int BITS, class A, class B> HWQAT_INLINE sum_t<BITS> product(const A &a, const B &b)
{
    return operand_t<BITS, A>(a) * operand_t<BITS, B>(b);
}

/// An element of a stream.
template <int BITS, bool SIGNED> struct element {
    using type = int_t<BITS>;
    static HWQAT_INLINE type of(unsigned long long bits) { return wrap<BITS>(bits); }
};
template <int BITS> struct element<BITS, false> {
    using type = uint_t<BITS>;
    static HWQAT_INLINE type of(unsigned long long bits) { return low<BITS>(bits); }
};
template <int BITS, bool SIGNED> using element_t = typename element<BITS, SIGNED>::type;

constexpr int larger(int a, int b) { return a > b ? a : b; }

/// Bits that count 0..count-1; at least 1.
constexpr int bits_for(long long count)
{
    int bits = 1;
    while (bits < 62 && (1LL << bits) < count) {
        ++bits;
    }
    return bits;
}

#if HWQAT_SIM || defined(__BAMBU__)
/// A constant in a ROM. g++ would build a table of ap_int one by one, for minutes; bambu loses some of their bits.
template <int BITS, bool SIGNED> using rom_t = native_t<BITS, SIGNED>;
#else
template <int BITS, bool SIGNED> using rom_t = element_t<BITS, SIGNED>;
#endif

#if HWQAT_SIM
/// A counter of 0..COUNT-1.
template <long long COUNT> using index_t = int;
/// A number of -MOST..MOST.
template <long long MOST> using offset_t = int;
#else
template <long long COUNT> using index_t = ap_uint<bits_for(COUNT)>;
template <long long MOST> using offset_t = ap_int<bits_for(MOST + 1) + 1>;
#endif

template <int BITS> using rom_int = rom_t<BITS, true>;
template <int BITS> using rom_uint = rom_t<BITS, false>;

} // namespace hwqat

#endif // HWQAT_TYPES_H
