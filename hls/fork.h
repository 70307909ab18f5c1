// Fork: every beat to each of two or more outputs.
//
// S: lanes, bits, cycles (beats of a frame).
#ifndef HWQAT_FORK_H
#define HWQAT_FORK_H

#include "beat.h"
#include "trips.h"

namespace hwqat {

template <class S, class... Outputs>
HWQAT_INLINE void fork(hls::stream<beat<S::lanes, S::bits>> &in, Outputs &...out)
{
    static_assert(sizeof...(Outputs) >= 2, "a fork has two outputs or more");

Beat:
    for (int i = 0; i < S::cycles; ++i) {
        HWQAT_PIPELINE
        HWQAT_TRIP();
        const beat<S::lanes, S::bits> copy = in.read();
        HWQAT_WRITE_TOGETHER(out...)
        const int written[] = {(out.write(copy), 0)...};
        (void)written;
    }
}

} // namespace hwqat

#endif // HWQAT_FORK_H
