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
// Places are kept as numbers of beats that move by constants: nothing is multiplied, and what one trip hands to the
// next is a comparison or an addition deep.
//
// S: height, width, kernel_y, kernel_x, stride_y, stride_x, dilation_y, dilation_x, pad_top, pad_left,
//    pad_value, out_height, out_width, outer, inner, lanes, bits, taps, rows, columns, lead, pace, cycles.
#ifndef HWQAT_WINDOW_H
#define HWQAT_WINDOW_H

#include "lanes.h"
#include "trips.h"

namespace hwqat {

/// A beat outside the image.
template <class S> HWQAT_INLINE beat<S::lanes, S::bits> padding()
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

/// Walks the windows of a frame, row by row (hls/rtl/hwqat_window_scan.sv). Distances are in beats of the input.
template <class S> struct window_scan {
    static constexpr int PIXEL_BEATS = S::outer * S::inner, ROW_BEATS = S::width * PIXEL_BEATS;
    static constexpr int FRAME_BEATS = S::height * ROW_BEATS, BUFFER_BEATS = S::rows * ROW_BEATS;
    static constexpr int LAST_ROW = (S::out_height - 1) * S::stride_y - S::pad_top;
    static constexpr int LAST_COL = (S::out_width - 1) * S::stride_x - S::pad_left;
    static constexpr int MOST = larger(larger(LAST_ROW, LAST_COL) + larger(S::stride_y, S::stride_x),
                                       larger(S::pad_top, S::pad_left));

    offset_t<MOST> row, col; // of the window's first tap; negative in the padding
    offset_t<MOST * ROW_BEATS> row_beats; // from the frame's start to its row, from the row's start to its column
    offset_t<MOST * PIXEL_BEATS> col_beats;
    bool done; // all windows have left

    HWQAT_INLINE void begin()
    {
        row = -S::pad_top;
        col = -S::pad_left;
        row_beats = -S::pad_top * ROW_BEATS;
        col_beats = -S::pad_left * PIXEL_BEATS;
        done = false;
    }

    HWQAT_INLINE void next()
    {
        const bool row_end = col == LAST_COL, frame_end = row_end && row == LAST_ROW;
        col = row_end ? -S::pad_left : int(col) + S::stride_x;
        col_beats = row_end ? -S::pad_left * PIXEL_BEATS : int(col_beats) + S::stride_x * PIXEL_BEATS;
        if (row_end) {
            row = int(row) + S::stride_y;
            row_beats = int(row_beats) + S::stride_y * ROW_BEATS;
        }
        done = frame_end;
    }

    /// Beats of the frame for which there is room while this window is read: `rows` rows from the oldest pixel
    /// on that it or a later one needs (which is pixel 0 while its first row lies in the top padding).
    HWQAT_INLINE int limit() const
    {
        const int oldest = row < 0 ? 0 : int(row_beats) + (col < 0 ? 0 : int(col_beats));
        return oldest < FRAME_BEATS - BUFFER_BEATS ? oldest + BUFFER_BEATS : FRAME_BEATS;
    }
};

/// The plan's schedule: which trips read, and which write.
template <class S> struct window_schedule {
    static constexpr int IN = S::height * S::width * S::outer * S::inner;
    static constexpr int OUT = S::out_height * S::out_width * S::outer * S::inner * (S::kernel_y * S::kernel_x / S::taps);
    static constexpr int BUFFER_BEATS = window_scan<S>::BUFFER_BEATS;
    static_assert(S::kernel_y * S::kernel_x % S::taps == 0, "a beat must hold one tap of a window, a row, or all");
    static_assert(S::rows > (S::kernel_y - 1) * S::dilation_y, "the line buffer must hold all rows of a window");
    static_assert(S::pace >= 1 && S::lead + S::pace * (OUT - 1) < S::cycles, "the last beat must leave within the trips");
    static_assert(IN <= S::cycles, "a frame must be read within the trips, one beat a trip");
    static_assert((S::out_height - 1) * S::stride_y - S::pad_top < S::height, "the last window must touch the image");

    index_t<IN + 1> read, limit;                      // beats read, and beats for which there is room
    index_t<larger(S::lead, S::pace) + 1> wait; // trips until the next beat leaves

    HWQAT_INLINE void begin()
    {
        read = 0;
        limit = IN < BUFFER_BEATS ? IN : BUFFER_BEATS;
        wait = S::lead;
    }

    HWQAT_INLINE bool reads() const { return read < limit; }
    HWQAT_INLINE bool due() const { return wait == 0; }

    /// To be called at the end of a trip; `scan` is at the window that a due trip wrote of. Rows that no window needs
    /// are read and forgotten.
    HWQAT_INLINE void next(const window_scan<S> &scan)
    {
        if (read < limit) {
            read = int(read) + 1;
        }
        if (wait == 0) {
            limit = scan.done ? IN : scan.limit();
        }
        wait = wait == 0 ? S::pace - 1 : int(wait) - 1;
    }
};

/// The taps of a window one by one, or row by row: channel groups, rows, columns (of single taps), beats of a group.
/// ROW_WORDS: words of a row of the image in the memory, or in each of its banks.
template <class S, int ROW_WORDS> struct window_taps {
    static constexpr int PIXEL_BEATS = window_scan<S>::PIXEL_BEATS, WORDS = S::rows * ROW_WORDS;
    static constexpr int LAST_ROW = (S::kernel_y - 1) * S::dilation_y;
    static constexpr int LAST_COL = S::taps == 1 ? (S::kernel_x - 1) * S::dilation_x : 0;

    index_t<LAST_ROW + 1> row; // the tap, as an offset in pixels
    index_t<LAST_COL + 1> col;
    index_t<PIXEL_BEATS> group; // first beat of the channel group
    index_t<S::inner> part;
    index_t<(LAST_COL + 1) * PIXEL_BEATS> within; // beats from the window's first column to the tap's beat
    index_t<WORDS> window_word, tap_word; // where the window's first row begins in the buffer, and the tap's row

    HWQAT_INLINE void begin()
    {
        row = 0;
        col = 0;
        group = 0;
        part = 0;
        within = 0;
        window_word = (S::rows - S::pad_top % S::rows) % S::rows * ROW_WORDS;
        tap_word = (S::rows - S::pad_top % S::rows) % S::rows * ROW_WORDS;
    }

    /// STEP rows on from `from`, around the buffer.
    template <int STEP> static HWQAT_INLINE int rows_on(int from)
    {
        constexpr int ON = STEP % S::rows * ROW_WORDS;
        return from >= WORDS - ON ? from - (WORDS - ON) : from + ON;
    }

    /// Whether this is the window's last beat.
    HWQAT_INLINE bool last() const
    {
        return part == S::inner - 1 && col == LAST_COL && row == LAST_ROW && group == PIXEL_BEATS - S::inner;
    }

    /// The next beat; `scan` is at the window, and moves on with its last beat.
    HWQAT_INLINE void next(window_scan<S> &scan)
    {
        const bool part_last = part == S::inner - 1, col_last = col == LAST_COL, row_last = row == LAST_ROW;
        const bool group_last = group == PIXEL_BEATS - S::inner, row_end = scan.col == window_scan<S>::LAST_COL;
        const int next_window = row_end ? rows_on<S::stride_y>(window_word) : int(window_word);
        const int next_group = group_last ? 0 : int(group) + S::inner;
        part = part_last ? 0 : int(part) + 1;
        if (!part_last) {
            within = int(within) + 1;
        } else if (!col_last) {
            col = int(col) + S::dilation_x;
            within = int(within) + (S::dilation_x * PIXEL_BEATS - (S::inner - 1));
        } else if (!row_last) {
            col = 0;
            row = int(row) + S::dilation_y;
            within = int(group);
            tap_word = rows_on<S::dilation_y>(tap_word);
        } else {
            col = 0;
            row = 0;
            group = next_group;
            within = next_group;
            tap_word = group_last ? next_window : int(window_word);
            if (group_last) {
                window_word = next_window;
                scan.next();
            }
        }
    }
};

template <class S>
HWQAT_INLINE void window_serial(hls::stream<beat<S::lanes, S::bits>> &in, hls::stream<beat<S::lanes, S::bits>> &out)
{
    constexpr int ROW_BEATS = window_scan<S>::ROW_BEATS, WORDS = S::rows * ROW_BEATS;
    static_assert(S::taps == 1, "window_serial writes one tap a beat");

    static beat<S::lanes, S::bits> lines[WORDS];
    HWQAT_READ_AFTER_WRITE(lines, 4)
    window_schedule<S> schedule;
    window_scan<S> scan;
    window_taps<S, ROW_BEATS> tap;
    index_t<WORDS> written; // word of the buffer for the next beat

Beat:
    for (int trip = 0; trip < S::cycles; ++trip) {
        HWQAT_PIPELINE
        HWQAT_TRIP();
        if (trip == 0) {
            schedule.begin();
            scan.begin();
            tap.begin();
            written = 0;
        }
        const bool reads = schedule.reads(), writes = schedule.due() && !scan.done;
        beat<S::lanes, S::bits> arrived;
        if (reads) {
            arrived = in.read();
        }
        if (writes) {
            const int row = int(scan.row) + int(tap.row), col = int(scan.col) + int(tap.col);
            const bool inside = row >= 0 && row < S::height && col >= 0 && col < S::width;
            const int word = int(tap.tap_word) + int(scan.col_beats) + int(tap.within);
            out.write(inside ? lines[word] : padding<S>());
        }
        schedule.next(scan);
        if (writes) {
            tap.next(scan);
        }
        if (reads) {
            lines[int(written)] = arrived;
            written = written == WORDS - 1 ? 0 : int(written) + 1;
        }
    }
}

/// The bank of the buffer for the next beat of the input, and the word in it.
template <class S> struct window_bank {
    static constexpr int PIXEL_BEATS = window_scan<S>::PIXEL_BEATS;
    static constexpr int ROW_WORDS = (S::width + S::columns - 1) / S::columns * PIXEL_BEATS; // of a row in one bank

    index_t<S::rows> row; // of the buffer
    index_t<S::rows * ROW_WORDS> row_word; // where it begins in banks that all rows share
    index_t<S::columns> column; // of banks
    index_t<S::width> col; // of the image
    index_t<PIXEL_BEATS> part;
    index_t<ROW_WORDS> base; // from the row's first word to the pixel's

    HWQAT_INLINE void begin()
    {
        row = 0;
        row_word = 0;
        column = 0;
        col = 0;
        part = 0;
        base = 0;
    }

    HWQAT_INLINE int word() const { return int(base) + int(part); }

    HWQAT_INLINE void next()
    {
        const bool part_last = part == PIXEL_BEATS - 1, col_last = col == S::width - 1;
        part = part_last ? 0 : int(part) + 1;
        if (part_last && col_last) {
            row_word = row == S::rows - 1 ? 0 : int(row_word) + ROW_WORDS;
            row = row == S::rows - 1 ? 0 : int(row) + 1;
            column = 0;
            col = 0;
            base = 0;
        } else if (part_last) {
            col = int(col) + 1;
            base = column == S::columns - 1 ? int(base) + PIXEL_BEATS : int(base);
            column = (int(column) + 1) & (S::columns - 1);
        }
    }
};

/// a / b, rounded down.
constexpr int floor_of(int a, int b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

/// The banks and words of a window's columns. `base`: word of each column's first beat in its bank, from its row's
/// first word on; of no use outside the image.
template <class S> struct window_columns {
    static constexpr int PIXEL_BEATS = window_scan<S>::PIXEL_BEATS, MASK = S::columns - 1;
    static constexpr int STEP = S::stride_x % S::columns;
    using word_t = offset_t<(window_scan<S>::MOST + S::kernel_x * S::dilation_x) * PIXEL_BEATS>;

    index_t<S::columns> first; // bank of the first one

    /// Bank of column j.
    HWQAT_INLINE int bank(int j) const { return (int(first) + j * S::dilation_x) & MASK; }

    HWQAT_INLINE void begin(word_t (&base)[S::kernel_x])
    {
        first = -S::pad_left & MASK;
    FirstBase:
        for (int j = 0; j < S::kernel_x; ++j) {
            HWQAT_UNROLL
            base[j] = floor_of(j * S::dilation_x - S::pad_left, S::columns) * PIXEL_BEATS;
        }
    }

    /// The next window; `row_end`: it begins a row.
    HWQAT_INLINE void next(word_t (&base)[S::kernel_x], bool row_end)
    {
    NextBase:
        for (int j = 0; j < S::kernel_x; ++j) {
            HWQAT_UNROLL
            const bool carry = bank(j) + STEP >= S::columns;
            base[j] = row_end ? floor_of(j * S::dilation_x - S::pad_left, S::columns) * PIXEL_BEATS
                              : int(base[j]) + (S::stride_x / S::columns + carry) * PIXEL_BEATS;
        }
        first = (row_end ? -S::pad_left : int(first) + S::stride_x) & MASK;
    }

    /// Word that a window whose first column is `col` takes from bank c: at most one of its columns lies there.
    HWQAT_INLINE int word(const word_t (&base)[S::kernel_x], int c, int col, int part) const
    {
        int at = 0;
    Column:
        for (int j = 0; j < S::kernel_x; ++j) {
            HWQAT_UNROLL
            const int column = col + j * S::dilation_x;
            if (column >= 0 && column < S::width && bank(j) == c) {
                at = int(base[j]) + part;
            }
        }
        return at;
    }
};

template <class S>
HWQAT_INLINE void window_parallel(hls::stream<beat<S::lanes, S::bits>> &in,
                                  hls::stream<beat<S::taps * S::lanes, S::bits>> &out)
{
    using word = beat<S::lanes, S::bits>;
    constexpr int PIXEL_BEATS = S::outer * S::inner, ROW_MASK = S::rows - 1;
    static_assert(S::taps == S::kernel_y * S::kernel_x, "window_parallel writes all taps in a beat");
    static_assert((S::rows & ROW_MASK) == 0 && (S::columns & (S::columns - 1)) == 0,
                  "banks are chosen by low bits: their rows and columns must be powers of two");

    static word lines[S::rows][S::columns][window_bank<S>::ROW_WORDS];
#pragma HLS ARRAY_PARTITION variable=lines complete dim=1
#pragma HLS ARRAY_PARTITION variable=lines complete dim=2
    HWQAT_READ_AFTER_WRITE(lines, 4)
    window_schedule<S> schedule;
    window_scan<S> scan;
    window_bank<S> arrives;
    index_t<PIXEL_BEATS> part;
    index_t<S::rows> row_bank; // of the window's first row
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
            part = 0;
            row_bank = -S::pad_top & ROW_MASK;
            columns.begin(base);
        }
        const bool reads = schedule.reads(), writes = schedule.due() && !scan.done;
        word arrived;
        if (reads) {
            arrived = in.read();
        }
        if (writes) {
            // One word of each bank.
            word bank[S::rows][S::columns];
#pragma HLS ARRAY_PARTITION variable=bank complete dim=0
        BankColumn:
            for (int c = 0; c < S::columns; ++c) {
                HWQAT_UNROLL
                const int at = columns.word(base, c, scan.col, part);
            BankRow:
                for (int r = 0; r < S::rows; ++r) {
                    HWQAT_UNROLL
                    bank[r][c] = lines[r][c][at];
                }
            }
            // Each tap takes its bank's word.
            word tap[S::taps];
#pragma HLS ARRAY_PARTITION variable=tap complete
        TapRow:
            for (int i = 0; i < S::kernel_y; ++i) {
                HWQAT_UNROLL
                const int row = int(scan.row) + i * S::dilation_y;
                const int r = (int(row_bank) + i * S::dilation_y) & ROW_MASK;
            TapColumn:
                for (int j = 0; j < S::kernel_x; ++j) {
                    HWQAT_UNROLL
                    const int col = int(scan.col) + j * S::dilation_x;
                    const bool inside = row >= 0 && row < S::height && col >= 0 && col < S::width;
                    tap[i * S::kernel_x + j] = inside ? bank[r][columns.bank(j)] : padding<S>();
                }
            }
            out.write(join<S::lanes * S::bits>(tap));
        }
        schedule.next(scan);
        if (writes) {
            const bool pixel_end = part == PIXEL_BEATS - 1, row_end = scan.col == window_scan<S>::LAST_COL;
            part = pixel_end ? 0 : int(part) + 1;
            if (pixel_end) {
                columns.next(base, row_end);
                row_bank = (row_end ? int(row_bank) + S::stride_y : int(row_bank)) & ROW_MASK;
                scan.next();
            }
        }
        if (reads) {
            lines[int(arrives.row)][int(arrives.column)][arrives.word()] = arrived;
            arrives.next();
        }
    }
}

} // namespace hwqat

#endif // HWQAT_WINDOW_H
