// Window: padding and sliding window over a circular line buffer, for any stride, padding and dilation.
//
// In:  height * width pixels of outer * inner beats, of `lanes` channels each.
// Out: for each output pixel, for each of `outer` channel groups, for each tap (`taps` of them at once:
//      one, a row, or all), for each of `inner` beats: taps * lanes elements, element tap * lanes + lane. A tap
//      outside the image is `pad_value`.
//
// One loop of `cycles` trips follows the plan's schedule: each trip reads a beat if there is room in the
// buffer's `rows` rows; trip lead + e * pace writes beat e. The plan has chosen `lead` so that a beat is
// in the buffer at least 4 trips before its first use.
//
//   window_serial     one tap a beat: one memory
//   window_rows       a row of taps a beat: banks by the low bits of the column (window_rows.h)
//   window_parallel   all taps a beat: rows * columns banks (powers of two), by the low bits of row and
//                     column, so that every window is read in one cycle
//
// S: height, width, kernel_y, kernel_x, stride_y, stride_x, dilation_y, dilation_x, pad_top, pad_left,
//    pad_value, out_height, out_width, outer, inner, lanes, bits, taps, rows, columns, lead, pace, cycles.
#ifndef HWQAT_WINDOW_H
#define HWQAT_WINDOW_H

#include "lanes.h"
#include "trips.h"

namespace hwqat {

/// One beat of a pixel, as it lies in the line buffer.
template <class S> using window_word = ap_uint<S::lanes * S::bits>;

/// A beat outside the image.
template <class S> HWQAT_INLINE window_word<S> padding()
{
    constexpr long long PAD = S::pad_value; // an element may be wider than an int
    int_t<S::bits> lane[S::lanes];
#pragma HLS ARRAY_PARTITION variable=lane complete
Lane:
    for (int i = 0; i < S::lanes; ++i) {
        HWQAT_UNROLL
        lane[i] = wrap<S::bits>(PAD);
    }
    return pack<S::bits>(lane);
}

/// Whether a pixel lies in the image.
template <class S> HWQAT_INLINE bool inside(int row, int column)
{
    return row >= 0 && row < S::height && column >= 0 && column < S::width;
}

/// The beat to be read next, and where it goes.
template <class S> struct window_input {
    static constexpr int PIXELS = S::height * S::width, BEATS = S::outer * S::inner;

    index_t<PIXELS + 1> pixel = 0; // PIXELS when the whole frame is in
    index_t<S::rows> slot = 0;     // row of the buffer
    index_t<S::width> column = 0;
    index_t<BEATS> beat = 0;

    /// Whether there is a beat to read, and room for it: `oldest` is the oldest pixel still needed.
    HWQAT_INLINE bool ready(int oldest) const { return pixel < PIXELS && pixel < oldest + S::rows * S::width; }

    HWQAT_INLINE void next()
    {
        const bool last_beat = beat == BEATS - 1, last_column = column == S::width - 1;
        beat = last_beat ? 0 : int(beat) + 1;
        if (last_beat) {
            pixel = int(pixel) + 1;
            column = last_column ? 0 : int(column) + 1;
            if (last_column) {
                slot = slot == S::rows - 1 ? 0 : int(slot) + 1;
            }
        }
    }
};

/// The beat to be written next: its window, channel group, tap or row of taps (if not all at once) and beat of the pixel.
template <class S> struct window_output {
    static constexpr int BEATS = S::outer * S::inner;
    static constexpr int LAST_DY = S::taps < S::kernel_y * S::kernel_x ? (S::kernel_y - 1) * S::dilation_y : 0;
    static constexpr int LAST_DX = S::taps == 1 ? (S::kernel_x - 1) * S::dilation_x : 0;

    index_t<S::out_height + 1> y = 0; // out_height when the whole frame is out
    index_t<S::out_width> x = 0;
    int top = -S::pad_top, left = -S::pad_left;                  // the window's first row and column
    int first = -S::pad_top * S::width;                          // pixel number of (top, 0)
    index_t<S::rows> slot = (S::rows - S::pad_top % S::rows) % S::rows; // row of the buffer for `top`
    index_t<LAST_DY + 1> dy = 0;                                 // the tap, as an offset in pixels
    index_t<LAST_DX + 1> dx = 0;
    index_t<BEATS> group = 0; // first beat of the channel group
    index_t<S::inner> beat = 0;

    HWQAT_INLINE bool done() const { return y == S::out_height; }

    /// The oldest pixel that this window and later ones need.
    HWQAT_INLINE int oldest() const { return top < 0 ? 0 : first + (left < 0 ? 0 : left); }

    /// Row of the buffer that holds the image's row top + down.
    HWQAT_INLINE int slot_of(int down) const
    {
        const int at = slot + down;
        return at < S::rows ? at : at - S::rows;
    }

    HWQAT_INLINE void next()
    {
        const bool last_beat = beat == S::inner - 1;
        const bool last_dx = last_beat && dx == LAST_DX;
        const bool last_dy = last_dx && dy == LAST_DY;
        const bool last_group = last_dy && group == BEATS - S::inner;
        const bool last_x = last_group && x == S::out_width - 1;
        beat = last_beat ? 0 : int(beat) + 1;
        if (last_beat) {
            dx = last_dx ? 0 : int(dx) + S::dilation_x;
        }
        if (last_dx) {
            dy = last_dy ? 0 : int(dy) + S::dilation_y;
        }
        if (last_dy) {
            group = last_group ? 0 : int(group) + S::inner;
        }
        if (last_group) {
            x = last_x ? 0 : int(x) + 1;
            left = last_x ? -S::pad_left : left + S::stride_x;
        }
        if (last_x) {
            y = int(y) + 1;
            top += S::stride_y;
            first += S::stride_y * S::width;
            slot = slot_of(S::stride_y);
        }
    }
};

/// The plan's schedule: when to write a beat, and which pixels are still needed.
template <class S> struct window_schedule {
    static constexpr int IN = S::height * S::width * S::outer * S::inner;
    static constexpr int OUT = S::out_height * S::out_width * S::outer * S::inner * (S::kernel_y * S::kernel_x / S::taps);
    static_assert(S::kernel_y * S::kernel_x % S::taps == 0, "a beat must hold one tap of a window, a row, or all");
    static_assert(S::rows > (S::kernel_y - 1) * S::dilation_y, "the line buffer must hold all rows of a window");
    static_assert(S::pace >= 1 && S::lead + S::pace * (OUT - 1) < S::cycles, "the last beat must leave within the trips");
    static_assert(IN <= S::cycles, "a frame must be read within the trips, one beat a trip");
    static_assert((S::out_height - 1) * S::stride_y - S::pad_top < S::height, "the last window must touch the image");

    index_t<(S::lead > S::pace ? S::lead : S::pace) + 1> wait = S::lead; // trips until the next beat leaves
    index_t<S::height * S::width + 1> oldest = 0;

    HWQAT_INLINE bool due(const window_output<S> &output) const { return wait == 0 && !output.done(); }

    /// To be called once a trip, after the beat (if `due`) was written; moves `output` on.
    HWQAT_INLINE void next(window_output<S> &output)
    {
        if (wait != 0) {
            wait = int(wait) - 1;
        } else if (output.done()) {
            oldest = S::height * S::width; // rows that no window needs are read and forgotten
        } else {
            oldest = output.oldest();
            output.next();
            wait = S::pace - 1;
        }
    }
};

template <class S>
HWQAT_INLINE void window_serial(hls::stream<window_word<S>> &in, hls::stream<window_word<S>> &out)
{
    constexpr int BEATS = S::outer * S::inner;
    static_assert(S::taps == 1, "window_serial writes one tap a beat");

    static window_word<S> lines[S::rows * S::width * BEATS];
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
            const int row = output.top + output.dy, column = output.left + output.dx;
            const int at = (output.slot_of(output.dy) * S::width + column) * BEATS + output.group + output.beat;
            out.write(inside<S>(row, column) ? lines[at] : padding<S>());
        }
        schedule.next(output);
        if (read) {
            lines[(input.slot * S::width + input.column) * BEATS + input.beat] = in.read();
            input.next();
        }
    }
}

template <class S>
HWQAT_INLINE void window_parallel(hls::stream<window_word<S>> &in,
                                  hls::stream<ap_uint<S::taps * S::lanes * S::bits>> &out)
{
    constexpr int BEATS = S::outer * S::inner, BANK_COLUMNS = (S::width + S::columns - 1) / S::columns;
    static_assert(S::taps == S::kernel_y * S::kernel_x, "window_parallel writes all taps in a beat");
    static_assert((S::rows & (S::rows - 1)) == 0 && (S::columns & (S::columns - 1)) == 0,
                  "banks are chosen by low bits: their rows and columns must be powers of two");

    static window_word<S> lines[S::rows][S::columns][BANK_COLUMNS * BEATS];
#pragma HLS ARRAY_PARTITION variable=lines complete dim=1
#pragma HLS ARRAY_PARTITION variable=lines complete dim=2
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
            // One word of each bank: at most one tap's column falls into a column of banks.
            window_word<S> bank[S::rows][S::columns];
#pragma HLS ARRAY_PARTITION variable=bank complete dim=0
        BankColumn:
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
            BankRow:
                for (int r = 0; r < S::rows; ++r) {
                    HWQAT_UNROLL
                    bank[r][c] = lines[r][c][at];
                }
            }
            // Each tap takes its bank's word.
            window_word<S> tap[S::taps];
#pragma HLS ARRAY_PARTITION variable=tap complete
        TapRow:
            for (int i = 0; i < S::kernel_y; ++i) {
                HWQAT_UNROLL
            TapColumn:
                for (int j = 0; j < S::kernel_x; ++j) {
                    HWQAT_UNROLL
                    const int row = output.top + i * S::dilation_y, column = output.left + j * S::dilation_x;
                    tap[i * S::kernel_x + j] = inside<S>(row, column)
                                                   ? bank[output.slot_of(i * S::dilation_y)][column & (S::columns - 1)]
                                                   : padding<S>();
                }
            }
            out.write(join(tap));
        }
        schedule.next(output);
        if (read) {
            const int at = input.column / S::columns * BEATS + input.beat;
            lines[input.slot][input.column & (S::columns - 1)][at] = in.read();
            input.next();
        }
    }
}

} // namespace hwqat

#endif // HWQAT_WINDOW_H
