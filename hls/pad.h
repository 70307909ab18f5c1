// Pad: rows and columns around an image, of one integer or of the pixels at its edge.
//
//   out[row, column] = in[row - top, column - left], outside the image: zero, or (edge) the nearest pixel
//
// Every trip writes. No beat leaves before its frame has begun: where padding comes first, the first beat is read in front
// of it, and kept until it leaves. With edge the last row is kept: a row or a column that comes again is read from there.
//
// S: height, width, groups, pe, bits, signed_elements, top, left, bottom, right, edge, zero, cycles.
#ifndef HWQAT_PAD_H
#define HWQAT_PAD_H

#include "lanes.h"
#include "trips.h"

namespace hwqat {

template <class S>
HWQAT_INLINE void pad(hls::stream<beat<S::pe, S::bits>> &in, hls::stream<beat<S::pe, S::bits>> &out)
{
    using x_t = element_t<S::bits, S::signed_elements>;
    constexpr int ROWS = S::top + S::height + S::bottom, COLUMNS = S::left + S::width + S::right;
    constexpr int KEPT = S::edge ? S::width * S::groups : 1, DISTANCE = S::groups;
    static_assert(S::cycles == ROWS * COLUMNS * S::groups, "the plan's cycles must be the beats that leave");
    static_assert(DISTANCE >= 1, "a beat must be kept before it leaves again");

    static beat<S::pe, S::bits> line[KEPT];
    HWQAT_READ_AFTER_WRITE(line, DISTANCE)
    static beat<S::pe, S::bits> first;

Row:
    for (int row = 0; row < ROWS; ++row) {
    Column:
        for (int column = 0; column < COLUMNS; ++column) {
        Group:
            for (int group = 0; group < S::groups; ++group) {
                HWQAT_PIPELINE
                HWQAT_TRIP();
                const int y = row - S::top, x = column - S::left;
                const bool new_row = S::edge ? row == 0 || (y > 0 && y < S::height) : y >= 0 && y < S::height;
                const bool new_column = S::edge ? column == 0 || (x > 0 && x < S::width) : x >= 0 && x < S::width;
                const int nearest = x < 0 ? 0 : x < S::width ? x : S::width - 1;
                const int place = S::edge ? nearest * S::groups + group : 0;
                const bool inside = new_row && new_column;
                const bool ahead = !inside && row == 0 && column == 0 && group == 0;
                const bool late = !S::edge && S::top + S::left > 0 && y == 0 && x == 0 && group == 0;
                beat<S::pe, S::bits> pixel = first;
                if (ahead || (inside && !late)) {
                    pixel = in.read();
                }
                if (ahead) {
                    first = pixel;
                }
                if (inside) {
                    if (S::edge) {
                        line[place] = pixel;
                    }
                    out.write(pixel);
                } else if (S::edge) {
                    out.write(line[place]);
                } else {
                    x_t border[S::pe];
#pragma HLS ARRAY_PARTITION variable=border complete
                Element:
                    for (int p = 0; p < S::pe; ++p) {
                        HWQAT_UNROLL
                        border[p] = x_t(S::zero);
                    }
                    out.write(pack<S::bits>(border));
                }
            }
        }
    }
}

} // namespace hwqat

#endif // HWQAT_PAD_H
