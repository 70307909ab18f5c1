// Crop: some rows and columns of an image; the other pixels are dropped.
//
// S: height, width, groups, pe, bits, row_start, row_stride, row_count, column_start, column_stride,
//    column_count, cycles.
#ifndef HWQAT_CROP_H
#define HWQAT_CROP_H

#include "beat.h"
#include "trips.h"

namespace hwqat {

template <class S>
HWQAT_INLINE void crop(hls::stream<beat<S::pe, S::bits>> &in, hls::stream<beat<S::pe, S::bits>> &out)
{
    static_assert(S::cycles == S::height * S::width * S::groups, "the plan's cycles must be the beats that come in");
    constexpr int ROWS = S::row_count * S::row_stride, COLUMNS = S::column_count * S::column_stride;

Row:
    for (int row = 0; row < S::height; ++row) {
    Column:
        for (int column = 0; column < S::width; ++column) {
        Group:
            for (int group = 0; group < S::groups; ++group) {
                HWQAT_PIPELINE
                HWQAT_TRIP();
                const int y = row - S::row_start, x = column - S::column_start;
                const bool inside = y >= 0 && y < ROWS && x >= 0 && x < COLUMNS;
                const beat<S::pe, S::bits> pixel = in.read();
                if (inside && y % S::row_stride == 0 && x % S::column_stride == 0) {
                    out.write(pixel);
                }
            }
        }
    }
}

} // namespace hwqat

#endif // HWQAT_CROP_H
