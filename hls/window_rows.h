// Window with a row of taps a beat: see window.h, whose schedule and counters it has.
//
// The buffer's rows, which need not be a power of two, lie in `columns` banks (a power of two), by the low bits of
// the column, so that every row of a window is read in one cycle.
#ifndef HWQAT_WINDOW_ROWS_H
#define HWQAT_WINDOW_ROWS_H

#include "window.h"

namespace hwqat {

template <class S>
HWQAT_INLINE void window_rows(hls::stream<beat<S::lanes, S::bits>> &in,
                              hls::stream<beat<S::taps * S::lanes, S::bits>> &out)
{
    using word = beat<S::lanes, S::bits>;
    constexpr int ROW_WORDS = window_bank<S>::ROW_WORDS;
    static_assert(S::taps == S::kernel_x, "window_rows writes a row of taps in a beat");
    static_assert((S::columns & (S::columns - 1)) == 0, "banks are chosen by low bits: their number must be a power of two");

    static word lines[S::columns][S::rows * ROW_WORDS];
#pragma HLS ARRAY_PARTITION variable=lines complete dim=1
    HWQAT_READ_AFTER_WRITE(lines, 4)
    window_schedule<S> schedule;
    window_scan<S> scan;
    window_bank<S> arrives;
    window_taps<S, ROW_WORDS> tap_row;
    window_columns<S> columns;
    typename window_columns<S>::word_t base[S::kernel_x];
#pragma HLS ARRAY_PARTITION variable=base complete

Beat:
    for (int trip = 0; trip < S::cycles; ++trip) {
        HWQAT_PIPELINE
        HWQAT_TRIP();
        if (trip == 0) {
            schedule.begin();
            scan.begin();
            arrives.begin();
            tap_row.begin();
            columns.begin(base);
        }
        const bool reads = schedule.reads(), writes = schedule.due() && !scan.done;
        word arrived;
        if (reads) {
            arrived = in.read();
        }
        if (writes) {
            const int row = int(scan.row) + int(tap_row.row), first = int(tap_row.tap_word);
            word bank[S::columns];
#pragma HLS ARRAY_PARTITION variable=bank complete
        Bank:
            for (int c = 0; c < S::columns; ++c) {
                HWQAT_UNROLL
                bank[c] = lines[c][first + columns.word(base, c, scan.col, tap_row.within)];
            }
            // Each tap takes its bank's word.
            word tap[S::taps];
#pragma HLS ARRAY_PARTITION variable=tap complete
        Tap:
            for (int j = 0; j < S::kernel_x; ++j) {
                HWQAT_UNROLL
                const int col = int(scan.col) + j * S::dilation_x;
                const bool inside = row >= 0 && row < S::height && col >= 0 && col < S::width;
                tap[j] = inside ? bank[columns.bank(j)] : padding<S>();
            }
            out.write(join<S::lanes * S::bits>(tap));
        }
        schedule.next(scan);
        if (writes) {
            if (tap_row.last()) {
                columns.next(base, scan.col == window_scan<S>::LAST_COL);
            }
            tap_row.next(scan);
        }
        if (reads) {
            lines[int(arrives.column)][int(arrives.row_word) + arrives.word()] = arrived;
            arrives.next();
        }
    }
}

} // namespace hwqat

#endif // HWQAT_WINDOW_ROWS_H
