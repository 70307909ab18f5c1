// Window with a row of taps a beat: see window.h, whose schedule and counters it has.
//
// The buffer's rows, which need not be a power of two, lie in `columns` banks (a power of two), by the low bits of
// the column, so that every row of a window is read in one cycle.
#ifndef HWQAT_WINDOW_ROWS_H
#define HWQAT_WINDOW_ROWS_H

#include "window.h"

namespace hwqat {

template <class S>
HWQAT_INLINE void window_rows(hls::stream<window_word<S>> &in, hls::stream<ap_uint<S::taps * S::lanes * S::bits>> &out)
{
    constexpr int BEATS = S::outer * S::inner, BANK_ROW = (S::width + S::columns - 1) / S::columns * BEATS;
    static_assert(S::taps == S::kernel_x, "window_rows writes a row of taps in a beat");
    static_assert((S::columns & (S::columns - 1)) == 0, "banks are chosen by low bits: their number must be a power of two");

    static window_word<S> lines[S::columns][S::rows * BANK_ROW];
#pragma HLS ARRAY_PARTITION variable=lines complete dim=1
    HWQAT_READ_AFTER_WRITE(lines, 4)
    window_input<S> input;
    window_output<S> output;
    window_schedule<S> schedule;

Beat:
    for (int trip = 0; trip < S::cycles; ++trip) {
        HWQAT_PIPELINE
        HWQAT_TRIP();
        const bool read = input.ready(schedule.oldest);
        if (schedule.due(output)) {
            // One word of each bank: at most one tap falls into a bank.
            const int row = output.top + output.dy, first = output.slot_of(output.dy) * BANK_ROW;
            window_word<S> bank[S::columns];
#pragma HLS ARRAY_PARTITION variable=bank complete
        Bank:
            for (int c = 0; c < S::columns; ++c) {
                HWQAT_UNROLL
                int at = 0;
            Column:
                for (int j = 0; j < S::kernel_x; ++j) {
                    HWQAT_UNROLL
                    const int column = output.left + j * S::dilation_x;
                    if (column >= 0 && column < S::width && (column & (S::columns - 1)) == c) {
                        at = column / S::columns * BEATS + output.group + output.beat;
                    }
                }
                bank[c] = lines[c][first + at];
            }
            // Each tap takes its bank's word.
            window_word<S> tap[S::taps];
#pragma HLS ARRAY_PARTITION variable=tap complete
        Tap:
            for (int j = 0; j < S::kernel_x; ++j) {
                HWQAT_UNROLL
                const int column = output.left + j * S::dilation_x;
                tap[j] = inside<S>(row, column) ? bank[column & (S::columns - 1)] : padding<S>();
            }
            out.write(join(tap));
        }
        schedule.next(output);
        if (read) {
            const int at = input.slot * BANK_ROW + input.column / S::columns * BEATS + input.beat;
            lines[input.column & (S::columns - 1)][at] = in.read();
            input.next();
        }
    }
}

} // namespace hwqat

#endif // HWQAT_WINDOW_ROWS_H
