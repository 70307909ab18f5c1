// Shapes that no block can be built with: the compiler says why, in the words of `// says:` above each.
#include "axis.h"
#include "crop.h"
#include "dwu.h"
#include "fork.h"
#include "global_pool.h"
#include "mvu.h"
#include "pad.h"
#include "pool.h"
#include "reorder.h"
#include "requant.h"
#include "select.h"
#include "table.h"
#include "width.h"
#include "window.h"
#include "window_rows.h"

using namespace hwqat;

struct common {
    static constexpr int pixels = 1, groups = 1, repeats = 1, folds = 1, pe = 2, taps = 1, simd = 1, cycles = 7;
    static constexpr int in_bits = 8, out_bits = 8, weight_bits = 8, acc_bits = 16, lanes = 2, bits = 8;
    static constexpr bool in_signed = true, out_signed = true, is_signed = true;
    using multiplier = plain<dsp>;
    using reduce = sum_of;
};
template <int LANES, int BITS> using stream = hls::stream<beat<LANES, BITS>>;

// says: a fork has two outputs or more
void lonely_fork(stream<2, 8> &in, stream<2, 8> &out) { fork<common>(in, out); }

// says: the plan's cycles must be pixels * groups * repeats * folds
void long_mvu(stream<1, 8> &in, stream<2, 16> &out, const weight_rom<8> (&w)[1][2]) { mvu<common>(in, out, w); }

// says: the plan's cycles must be pixels * groups * folds
void long_dwu(stream<2, 8> &in, stream<2, 16> &out, const weight_rom<8> (&w)[1][2]) { dwu<common>(in, out, w); }

struct shares : common {
    static constexpr int cycles = 1;
    using multiplier = packed<2, 18, 1>;
};
// says: the channels of a depthwise unit share no element
void sharing_dwu(stream<2, 8> &in, stream<2, 16> &out, const weight_rom<8> (&w)[1][2]) { dwu<shares>(in, out, w); }

// says: the plan's cycles must be pixels * groups * folds
void long_pool(stream<2, 8> &in, stream<2, 8> &out) { pool<common>(in, out); }

// says: the plan's cycles must be pixels * groups
void long_global_pool(stream<2, 8> &in, stream<2, 8> &out) { global_pool<common>(in, out); }

struct three_of_two {
    static constexpr int lanes_in = 2, lanes_out = 3, bits = 8, cycles = 6;
};
// says: widening needs whole multiples of the lanes that come in
void odd_widen(stream<2, 8> &in, stream<3, 8> &out) { widen<three_of_two>(in, out); }
struct two_of_three {
    static constexpr int lanes_in = 3, lanes_out = 2, bits = 8, cycles = 6;
};
// says: narrowing needs whole multiples of the lanes that go out
void odd_narrow(stream<3, 8> &in, stream<2, 8> &out) { narrow<two_of_three>(in, out); }
struct unfilled {
    static constexpr int lanes_in = 1, lanes_out = 2, bits = 8, cycles = 5;
};
// says: a frame must fill its last wide beat
void half_widen(stream<1, 8> &in, stream<2, 8> &out) { widen<unfilled>(in, out); }
struct unemptied {
    static constexpr int lanes_in = 2, lanes_out = 1, bits = 8, cycles = 5;
};
// says: a frame must empty its last wide beat
void half_narrow(stream<2, 8> &in, stream<1, 8> &out) { narrow<unemptied>(in, out); }

struct tight : common {
    static constexpr int slot = 4, tdata = 8, beats = 1;
};
// says: TDATA must hold a slot for each element
void tight_port(hls::stream<ap_uint<8>> &axis, stream<2, 8> &out) { from_axis<tight>(axis, out); }

// says: an element has at most 64 bits
void wide_element(const beat<1, 65> &whole, uint_t<64> (&lane)[1]) { unpack<65, false>(whole, *reinterpret_cast<element_t<65, false>(*)[1]>(&lane)); }

struct requants : common {
    static constexpr int in0_bits = 8, shift0 = 0, factor0_bits = 4, bias_bits = 6, sum_bits = 14, frac = 2, lo = 0, hi = 31;
    static constexpr bool in0_signed = true, factor0_signed = true;
    static constexpr hwqat::rounding mode = hwqat::rounding::shift;
    using multiplier = dsp;
};
// says: the plan's cycles must be pixels * groups
void long_requant(stream<2, 8> &in, stream<2, 8> &out, const rom_int<4> (&m)[1][1], const rom_int<6> (&b)[1][1])
{
    requant<requants>(in, out, m, b);
}
struct wide_requants : requants {
    static constexpr int out_bits = 33, cycles = 1;
};
// says: a requantised element has at most 32 bits
void wide_requant(stream<2, 8> &in, stream<2, 33> &out, const rom_int<4> (&m)[1][1], const rom_int<6> (&b)[1][1])
{
    requant<wide_requants>(in, out, m, b);
}

// says: the plan's cycles must be pixels * groups * 2 inputs
struct shared_requants : requants {
    static constexpr int in1_bits = 8, shift1 = 0, factor1_bits = 4;
    static constexpr bool in1_signed = true, factor1_signed = true;
};
void long_shared(stream<2, 8> &in0, stream<2, 8> &in1, stream<2, 8> &out, const rom_int<4> (&m0)[1][1],
                 const rom_int<4> (&m1)[1][1], const rom_int<6> (&b)[1][1])
{
    requant_shared<shared_requants>(in0, in1, out, m0, m1, b);
}

// says: native integers have at most 128 bits
int_t<128> wide_sum(int_t<128> x) { return wrap<129>(x); }
// says: the word that enters is the narrower one
word<8> equal_words(const word<8> &whole) { return shift_in<8, 8>(whole, whole); }

struct images : common {
    static constexpr int height = 2, width = 2, row_start = 0, row_stride = 1, row_count = 1;
    static constexpr int column_start = 0, column_stride = 1, column_count = 1;
};
// says: the plan's cycles must be the beats that come in
void long_crop(stream<2, 8> &in, stream<2, 8> &out) { crop<images>(in, out); }

struct padded {
    static constexpr int height = 2, width = 2, groups = 1, pe = 2, bits = 8, zero = 0, cycles = 8;
    static constexpr int top = 0, left = 0, bottom = 1, right = 0;
    static constexpr bool edge = true, signed_elements = true;
};
// says: the plan's cycles must be the beats that leave
void long_pad(stream<2, 8> &in, stream<2, 8> &out) { pad<padded>(in, out); }
struct no_groups : padded {
    static constexpr int groups = 0, cycles = 0;
};
// says: a beat must be kept before it leaves again
void no_pad(stream<2, 8> &in, stream<2, 8> &out) { pad<no_groups>(in, out); }

struct units {
    static constexpr int units = 1, in_beats = 2, out_beats = 2, trips = 2, pe = 2, bits = 8, distance = 2, cycles = 2;
    static constexpr int count0 = 2, count1 = 1, count2 = 1, count3 = 1, stride0 = 1, stride1 = 0, stride2 = 0, stride3 = 0;
};
// says: the plan's cycles must be (units + 1) * trips
void short_reorder(stream<2, 8> &in, stream<2, 8> &out) { reorder<units>(in, out); }
struct few_counts : units {
    static constexpr int count0 = 1, cycles = 4;
};
// says: the counters must make a unit
void few_reorder(stream<2, 8> &in, stream<2, 8> &out) { reorder<few_counts>(in, out); }
struct no_distance : units {
    static constexpr int distance = 0;
};
// says: a beat must be written before it leaves
void early_reorder(stream<2, 8> &in, stream<2, 8> &out) { reorder<no_distance>(in, out); }

struct selects : common {
    static constexpr int in_beats = 1, out_beats = 1, trips = 1, zero = 0;
    static constexpr bool signed_elements = true;
};
// says: the plan's cycles must be pixels * trips
void long_select(stream<2, 8> &in, stream<2, 8> &out, const rom_t<32, true> (&s)[1][2]) { select<selects>(in, out, s); }

struct tables : common {
    static constexpr int groups = 3, lo = 0, entries = 2, tables = 2, readers = 2, cycles = 3;
};
// says: a table for all, or one for each group
void two_tables(stream<2, 8> &in, stream<2, 8> &out, const rom_int<8> (&t)[4][1]) { table<tables>(in, out, t); }

struct windows {
    static constexpr int height = 4, width = 4, kernel_y = 3, kernel_x = 3, stride_y = 1, stride_x = 1, dilation_y = 1;
    static constexpr int dilation_x = 1, pad_top = 1, pad_left = 1, pad_value = 0, out_height = 4, out_width = 4, outer = 1;
    static constexpr int inner = 1, lanes = 1, bits = 8, taps = 1, rows = 4, columns = 4, lead = 8, pace = 1, cycles = 160;
};
template <int TAPS> struct taps_of : windows {
    static constexpr int taps = TAPS;
};
// says: window_serial writes one tap a beat
void serial(stream<1, 8> &in, stream<3, 8> &out) { window_serial<taps_of<3>>(in, out); }
// says: window_parallel writes all taps in a beat
void parallel(stream<1, 8> &in, stream<3, 8> &out) { window_parallel<taps_of<3>>(in, out); }
// says: window_rows writes a row of taps in a beat
void rows(stream<1, 8> &in, stream<9, 8> &out) { window_rows<taps_of<9>>(in, out); }
// says: a beat must hold one tap of a window, a row, or all
void taps(window_schedule<taps_of<2>> &schedule) { schedule.begin(); }
struct few_rows : windows {
    static constexpr int rows = 2;
};
// says: the line buffer must hold all rows of a window
void shallow(window_schedule<few_rows> &schedule) { schedule.begin(); }
struct late : windows {
    static constexpr int lead = 100;
};
// says: the last beat must leave within the trips
void late_window(window_schedule<late> &schedule) { schedule.begin(); }
struct short_frame : windows {
    static constexpr int cycles = 10, pace = 1, lead = 0, out_height = 1, out_width = 1;
};
// says: a frame must be read within the trips, one beat a trip
void short_window(window_schedule<short_frame> &schedule) { schedule.begin(); }
struct beyond : windows {
    static constexpr int out_height = 9, cycles = 1000;
};
// says: the last window must touch the image
void window_beyond(window_schedule<beyond> &schedule) { schedule.begin(); }
struct odd_banks : windows {
    static constexpr int taps = 3, columns = 3;
};
// says: banks are chosen by low bits: their number must be a power of two
void banks(stream<1, 8> &in, stream<3, 8> &out) { window_rows<odd_banks>(in, out); }
struct odd_rows : windows {
    static constexpr int taps = 9, rows = 3;
};
// says: banks are chosen by low bits: their rows and columns must be powers of two
void row_banks(stream<1, 8> &in, stream<9, 8> &out) { window_parallel<odd_rows>(in, out); }
