// Each header of hls/ on numbers that are worked out by hand: what goes in, what comes out, how many trips it takes.
#include <array>
#include <cstdio>

#include "axis.h"
#include "crop.h"
#include "dwu.h"
#include "fork.h"
#include "global_pool.h"
#include "multiply.h"
#include "mvu.h"
#include "pad.h"
#include "pool.h"
#include "reorder.h"
#include "requant.h"
#include "rounding.h"
#include "select.h"
#include "table.h"
#include "width.h"

using namespace hwqat;

static trip_counter counter("block");
static int wrong = 0;

static void check(bool right, const char *what)
{
    if (!right) {
        std::printf("%s is wrong\n", what);
        ++wrong;
    }
}

/// A beat of N signed elements.
template <int BITS, int N> static void put(hls::stream<beat<N, BITS>> &stream, const int (&values)[N])
{
    int_t<BITS> lane[N];
    for (int i = 0; i < N; ++i) {
        lane[i] = values[i];
    }
    stream.write(pack<BITS>(lane));
}

template <int BITS, int N>
static void expect(const char *what, hls::stream<beat<N, BITS>> &stream, const int (&values)[N])
{
    int_t<BITS> lane[N];
    unpack<BITS, true>(stream.read(), lane);
    for (int i = 0; i < N; ++i) {
        check(int(lane[i]) == values[i], what);
    }
}

/// The trips of the block that ran are its cycles.
template <class S> static void ran(const char *what)
{
    check(counter.trips == S::cycles, what);
    counter.trips = 0;
}

// beat.h, lanes.h: element 0 is lowest, and negative elements keep to their bits.
static void lanes()
{
    hls::stream<beat<3, 5>> stream;
    put<5>(stream, {-1, 2, -16});
    expect<5>("lanes", stream, {-1, 2, -16});
}

struct fork_shape {
    static constexpr int lanes = 2, bits = 4, cycles = 1;
};

static void forked()
{
    hls::stream<beat<2, 4>> in, first, second;
    put<4>(in, {3, -4});
    fork<fork_shape>(in, first, second);
    expect<4>("fork", first, {3, -4});
    expect<4>("fork", second, {3, -4});
    ran<fork_shape>("trips of fork");
}

struct widen_shape {
    static constexpr int lanes_in = 1, lanes_out = 3, bits = 6, cycles = 3;
};
struct narrow_shape {
    static constexpr int lanes_in = 3, lanes_out = 1, bits = 6, cycles = 3;
};

static void widths()
{
    hls::stream<beat<1, 6>> narrow_beats;
    hls::stream<beat<3, 6>> wide_beats;
    put<6>(narrow_beats, {1});
    put<6>(narrow_beats, {-2});
    put<6>(narrow_beats, {3});
    widen<widen_shape>(narrow_beats, wide_beats);
    ran<widen_shape>("trips of widen");
    expect<6>("widen", wide_beats, {1, -2, 3});
    put<6>(wide_beats, {4, 5, -6});
    narrow<narrow_shape>(wide_beats, narrow_beats);
    ran<narrow_shape>("trips of narrow");
    expect<6>("narrow", narrow_beats, {4});
    expect<6>("narrow", narrow_beats, {5});
    expect<6>("narrow", narrow_beats, {-6});
}

// Two taps at once, two folds: a window of four positions, of two channels.
template <class REDUCE> struct pool_shape {
    using reduce = REDUCE;
    static constexpr int pixels = 1, groups = 1, folds = 2, pe = 2, taps = 2, in_bits = 5, out_bits = 7, cycles = 2;
    static constexpr bool in_signed = true, out_signed = true;
};

template <class REDUCE> static void pooled(const char *what, const int (&wanted)[2])
{
    hls::stream<beat<4, 5>> in;
    hls::stream<beat<2, 7>> out;
    put<5>(in, {1, -8, 2, -7}); // tap 0 of both channels, tap 1 of both
    put<5>(in, {3, -9, -4, 5});
    pool<pool_shape<REDUCE>>(in, out);
    expect<7>(what, out, wanted);
    ran<pool_shape<REDUCE>>("trips of pool");
}

template <class REDUCE> struct global_shape {
    using reduce = REDUCE;
    static constexpr int pixels = 2, groups = 2, pe = 1, in_bits = 5, out_bits = 7, cycles = 4;
    static constexpr bool in_signed = true, out_signed = true;
};

template <class REDUCE> static void pooled_whole(const char *what, int first, int second)
{
    hls::stream<beat<1, 5>> in;
    hls::stream<beat<1, 7>> out;
    for (int value : {7, -3, 5, -4}) { // channels 0 and 1 of pixel 0, then of pixel 1
        put<5>(in, {value});
    }
    global_pool<global_shape<REDUCE>>(in, out);
    expect<7>(what, out, {first});
    expect<7>(what, out, {second});
    ran<global_shape<REDUCE>>("trips of global_pool");
}

struct dwu_shape {
    using multiplier = plain<dsp>;
    static constexpr int pixels = 1, groups = 1, folds = 2, pe = 2, taps = 1, in_bits = 8, weight_bits = 4, acc_bits = 12;
    static constexpr int cycles = 2;
    static constexpr bool in_signed = true;
};

static void depthwise()
{
    const weight_rom<4> weight[2][2] = {{1, 2}, {-3, 4}};
    hls::stream<beat<2, 8>> in;
    hls::stream<beat<2, 12>> out;
    put<8>(in, {10, 20});
    put<8>(in, {-100, 100});
    dwu<dwu_shape>(in, out, weight);
    expect<12>("dwu", out, {10 + 300, 40 + 400});
    ran<dwu_shape>("trips of dwu");
}

// Two folds of two products, used for two pairs of outputs: packed by two, and each by itself.
template <class MULTIPLIER> struct mvu_shape {
    using multiplier = MULTIPLIER;
    static constexpr int pixels = 1, groups = 1, repeats = 2, folds = 2, pe = 2, simd = 2;
    static constexpr int in_bits = 8, weight_bits = 8, acc_bits = 20, cycles = 4;
    static constexpr bool in_signed = true;
};

template <class MULTIPLIER> static void matrix_vector(const char *what)
{
    const weight_rom<8> weight[4][4] = { // [repeat, fold][output, product]
        {1, 0, -127, -127}, {0, 2, -127, 127}, {3, 0, 0, 0}, {0, 0, 0, -1}};
    hls::stream<beat<2, 8>> in;
    hls::stream<beat<2, 20>> out;
    put<8>(in, {-128, -128});
    put<8>(in, {-128, 7});
    mvu<mvu_shape<MULTIPLIER>>(in, out, weight);
    expect<20>(what, out, {-128 + 14, 3 * 127 * 128 + 7 * 127});
    expect<20>(what, out, {-3 * 128, -7});
    ran<mvu_shape<MULTIPLIER>>("trips of mvu");
}

// A weight of one bit is a sign: 0 is +1, 1 is -1.
static void signs()
{
    const weight_rom<1> plus = 0, minus = 1;
    check(int(wrap<8>(weight<1>::times<luts, 8>(int_t<6>(9), plus))) == 9, "weight +1");
    check(int(wrap<8>(weight<1>::times<luts, 8>(int_t<6>(9), minus))) == -9, "weight -1");
}

// 2.5 and -2.5, with one fractional bit, in each mode; `shift` has its half added before.
template <rounding MODE> static void rounds(const char *what, int up, int down)
{
    check(int(rounded<MODE, 1>::template of<8>(sum_t<8>(5))) == up, what);
    check(int(rounded<MODE, 1>::template of<8>(sum_t<8>(-5))) == down, what);
}

// Factors 0.75 and -0.5, bias 0 with the half of AP_RND in it, all with two fractional bits.
struct requant_shape {
    using multiplier = dsp;
    static constexpr int pixels = 1, groups = 1, pe = 2, in0_bits = 8, shift0 = 0, factor0_bits = 4, bias_bits = 6;
    static constexpr int sum_bits = 14, frac = 2, out_bits = 6, cycles = 1, lo = 0, hi = 31;
    static constexpr bool in0_signed = true, factor0_signed = true, out_signed = true;
    static constexpr hwqat::rounding mode = hwqat::rounding::shift;
};

static void requantised()
{
    const constant<ap_fixed<4, 2>> factor[1][2] = {{HWQAT_REAL(3, 0.75), HWQAT_REAL(-2, -0.5)}};
    const constant<ap_fixed<6, 4>> bias[1][1] = {{HWQAT_REAL(2, 0.5)}};
    hls::stream<beat<2, 8>> in;
    hls::stream<beat<2, 6>> out;
    for (int x : {10, -10, 5, 100}) {
        put<8>(in, {x, x});
    }
    for (const auto &wanted : {std::array<int, 2>{8, 0}, {0, 5}, {4, 0}, {31, 0}}) { // 7.5 -> 8; 5; 3.75, -2.5
        requant<requant_shape>(in, out, factor, bias);
        expect<6>("requant", out, {wanted[0], wanted[1]});
    }
    counter.trips /= 4;
    ran<requant_shape>("trips of requant");
}

// Rows 1 and 2, every other column from 0, of an image of 3 x 3.
struct crop_shape {
    static constexpr int height = 3, width = 3, groups = 1, pe = 1, bits = 6, row_start = 1, row_stride = 1, row_count = 2;
    static constexpr int column_start = 0, column_stride = 2, column_count = 2, cycles = 9;
};

static void cropped()
{
    hls::stream<beat<1, 6>> in, out;
    for (int i = 0; i < 9; ++i) {
        put<6>(in, {i - 4});
    }
    crop<crop_shape>(in, out);
    for (int wanted : {3 - 4, 5 - 4, 6 - 4, 8 - 4}) {
        expect<6>("crop", out, {wanted});
    }
    ran<crop_shape>("trips of crop");
}

// A row of two pixels: the nearest ones around it, one above, two to the left, one to the right; then -7 below.
struct edge_shape {
    static constexpr int height = 1, width = 2, groups = 1, pe = 1, bits = 6, zero = 0, cycles = 10;
    static constexpr int top = 1, left = 2, bottom = 0, right = 1;
    static constexpr bool edge = true, signed_elements = true;
};

struct border_shape {
    static constexpr int height = 1, width = 2, groups = 1, pe = 1, bits = 6, zero = -7, cycles = 4;
    static constexpr int top = 0, left = 0, bottom = 1, right = 0;
    static constexpr bool edge = false, signed_elements = true;
};

static void padded()
{
    hls::stream<beat<1, 6>> in, out;
    put<6>(in, {5});
    put<6>(in, {-6});
    pad<edge_shape>(in, out);
    for (int wanted : {5, 5, 5, -6, -6, 5, 5, 5, -6, -6}) {
        expect<6>("pad of the edge", out, {wanted});
    }
    ran<edge_shape>("trips of pad");
    put<6>(in, {5});
    put<6>(in, {-6});
    pad<border_shape>(in, out);
    for (int wanted : {5, -6, -7, -7}) {
        expect<6>("pad", out, {wanted});
    }
    ran<border_shape>("trips of pad");
}

// A gate of one value for each channel; zero is 1 in the first input, -2 in the second.
struct multiply_shape {
    static constexpr int pixels = 2, groups = 1, pe = 2, in0_bits = 8, zero0 = 1, in1_lanes = 2, in1_bits = 4, zero1 = -2;
    static constexpr int out_bits = 12, cycles = 2;
    static constexpr bool in0_signed = true, in1_signed = true;
    static constexpr gate second = gate::channel;
};

static void multiplied()
{
    hls::stream<beat<2, 8>> in;
    hls::stream<beat<2, 4>> gates;
    hls::stream<beat<2, 12>> out;
    put<8>(in, {11, -128});
    put<8>(in, {1, 2});
    put<4>(gates, {1, 7});
    multiply<multiply_shape>(in, gates, out);
    expect<12>("multiply", out, {10 * 3, -129 * 9});
    expect<12>("multiply", out, {0, 1 * 9});
    ran<multiply_shape>("trips of multiply");
}

// A row of two pixels becomes two rows of four, as nearest-neighbour upsampling by two has them.
struct reorder_shape {
    static constexpr int units = 1, in_beats = 2, out_beats = 8, trips = 8, pe = 1, bits = 6, distance = 8, cycles = 16;
    static constexpr int count0 = 2, stride0 = 0, count1 = 2, stride1 = 1, count2 = 2, stride2 = 0, count3 = 1, stride3 = 0;
};

static void reordered()
{
    hls::stream<beat<1, 6>> in, out;
    put<6>(in, {5});
    put<6>(in, {-6});
    reorder<reorder_shape>(in, out);
    for (int wanted : {5, 5, -6, -6, 5, 5, -6, -6}) {
        expect<6>("reorder", out, {wanted});
    }
    ran<reorder_shape>("trips of reorder");
}

// Two beats of two channels come in; channel 3, a channel of zeros, channel 0 and channel 0 go out.
struct select_shape {
    static constexpr int pixels = 1, in_beats = 2, out_beats = 2, trips = 3, lanes = 2, pe = 2, bits = 6, zero = 0, cycles = 3;
    static constexpr bool signed_elements = true;
};

static void selected()
{
    const rom_t<32, true> source[2][2] = {{3, -1}, {0, 0}};
    hls::stream<beat<2, 6>> in, out;
    put<6>(in, {10, 11});
    put<6>(in, {12, -13});
    select<select_shape>(in, out, source);
    expect<6>("select", out, {-13, 0});
    expect<6>("select", out, {10, 10});
    ran<select_shape>("trips of select");
}

// Squares of -2 .. 1, less one.
struct table_shape {
    static constexpr int pixels = 1, groups = 1, pe = 2, in_bits = 4, lo = -2, entries = 4, tables = 1, readers = 2;
    static constexpr int out_bits = 5, cycles = 1;
    static constexpr bool in_signed = true, out_signed = true;
};

static void looked_up()
{
    const rom_int<5> squares[4][1] = {{3}, {0}, {-1}, {0}};
    hls::stream<beat<2, 4>> in;
    hls::stream<beat<2, 5>> out;
    put<4>(in, {-2, 0});
    table<table_shape>(in, out, squares);
    expect<5>("table", out, {3, -1});
    ran<table_shape>("trips of table");
}

// Slots of 16 bits: elements are sign-extended.
struct axis_shape {
    static constexpr int lanes = 2, bits = 10, slot = 16, tdata = 32, beats = 1;
    static constexpr bool is_signed = true;
};

static void slots()
{
    hls::stream<ap_uint<32>> tdata;
    hls::stream<beat<2, 10>> elements;
    put<10>(elements, {-3, 500});
    to_axis<axis_shape>(elements, tdata);
    const ap_uint<32> word = tdata.read();
    check(word == ap_uint<32>(0x01f4fffd), "to_axis");
    tdata.write(word);
    from_axis<axis_shape>(tdata, elements);
    expect<10>("from_axis", elements, {-3, 500});
}

int main()
{
    trip_counter::running() = &counter;
    lanes();
    forked();
    widths();
    pooled<sum_of>("sum pool", {1 + 2 + 3 - 4, -8 - 7 - 9 + 5});
    pooled<max_of>("max pool", {3, 5});
    pooled_whole<sum_of>("global sum", 12, -7);
    pooled_whole<max_of>("global max", 7, -3);
    depthwise();
    matrix_vector<plain<dsp>>("mvu");
    matrix_vector<plain<luts>>("mvu in LUTs");
    matrix_vector<packed<2, 18, 4>>("mvu, packed");
    signs();
    requantised();
    slots();
    cropped();
    padded();
    multiplied();
    reordered();
    selected();
    looked_up();
    rounds<rounding::shift>("floor", 2, -3);
    rounds<rounding::trn_zero>("trn_zero", 2, -2);
    rounds<rounding::rnd_zero>("rnd_zero", 2, -2);
    rounds<rounding::rnd_inf>("rnd_inf", 3, -3);
    rounds<rounding::rnd_min_inf>("rnd_min_inf", 2, -3);
    rounds<rounding::rnd_conv>("rnd_conv", 2, -2);
    if (!wrong) {
        std::printf("right\n");
    }
    return wrong != 0;
}
