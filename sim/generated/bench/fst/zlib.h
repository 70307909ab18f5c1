// Stands in for the header of zlib where Verilator writes FST: a machine with only g++ and pip packages
// may have none. A valid zlib stream of stored blocks, not smaller than what it holds.

#pragma once

#include <cstdint>
#include <cstring>

using Bytef = unsigned char;
using uLong = unsigned long;
using uLongf = unsigned long;

constexpr int Z_OK = 0;
constexpr int Z_BUF_ERROR = -5;

inline uLong compressBound(uLong size) { return size + (size / 65535 + 1) * 5 + 6; }

inline int compress2(Bytef *to, uLongf *room, const Bytef *from, uLong size, int /*level*/) {
  if (*room < compressBound(size)) return Z_BUF_ERROR;
  Bytef *at = to;
  *at++ = 0x78;  // deflate, window of 32 KiB
  *at++ = 0x01;  // fastest; makes the header a multiple of 31
  uLong left = size;
  const Bytef *next = from;
  do {
    const uLong length = left < 65535 ? left : 65535;
    *at++ = left == length;  // the last block? and: stored
    *at++ = static_cast<Bytef>(length);
    *at++ = static_cast<Bytef>(length >> 8);
    *at++ = static_cast<Bytef>(~length);
    *at++ = static_cast<Bytef>(~length >> 8);
    std::memcpy(at, next, length);
    at += length;
    next += length;
    left -= length;
  } while (left);
  std::uint32_t a = 1, b = 0;  // Adler-32
  for (uLong i = 0; i < size; ++i) {
    a = (a + from[i]) % 65521;
    b = (b + a) % 65521;
  }
  for (int shift : {8, 0}) *at++ = static_cast<Bytef>(b >> shift);
  for (int shift : {8, 0}) *at++ = static_cast<Bytef>(a >> shift);
  *room = static_cast<uLongf>(at - to);
  return Z_OK;
}
