// What a pool makes of two values: their sum or the larger one.
#ifndef HWQAT_REDUCE_H
#define HWQAT_REDUCE_H

#include "types.h"

namespace hwqat {

struct sum_of {
    template <class T> static HWQAT_INLINE T of(const T &a, const T &b) { return a + b; }
};

struct max_of {
    template <class T> static HWQAT_INLINE T of(const T &a, const T &b) { return a < b ? b : a; }
};

} // namespace hwqat

#endif // HWQAT_REDUCE_H
