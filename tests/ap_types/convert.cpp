// The ap_types headers as reference: every 12-bit value of each source format, assigned to each target
// format in each quantisation and overflow mode.
//
// Writes int32 records to standard output: W1 I1 signed1 W2 I2 signed2 mode overflow, then the 4096 raw
// results, the source's raw values counting up from its smallest. Modes are numbered as in test_fixed.py.
#include <ap_fixed.h>

#include <cstdio>
#include <vector>

template <int W, int I, bool S, ap_q_mode Q = AP_TRN, ap_o_mode O = AP_WRAP>
struct Format;  // ap_fixed or ap_ufixed

template <int W, int I, ap_q_mode Q, ap_o_mode O>
struct Format<W, I, true, Q, O> {
    typedef ap_fixed<W, I, Q, O> type;
    typedef ap_int<W> raw;
};

template <int W, int I, ap_q_mode Q, ap_o_mode O>
struct Format<W, I, false, Q, O> {
    typedef ap_ufixed<W, I, Q, O> type;
    typedef ap_uint<W> raw;
};

static constexpr ap_q_mode MODES[] = {AP_TRN, AP_TRN_ZERO, AP_RND, AP_RND_ZERO, AP_RND_INF, AP_RND_MIN_INF, AP_RND_CONV};
static constexpr ap_o_mode OVERFLOWS[] = {AP_WRAP, AP_SAT, AP_SAT_SYM, AP_SAT_ZERO};

template <int W1, int I1, bool S1, int W2, int I2, bool S2, int Q, int O>
void one_mode() {
    std::vector<int> record = {W1, I1, S1, W2, I2, S2, Q, O};
    const int low = S1 ? -(1 << (W1 - 1)) : 0;
    for (int value = low; value < low + (1 << W1); ++value) {
        typename Format<W1, I1, S1>::type x;
        typename Format<W1, I1, S1>::raw bits = value;
        x.range() = bits.range();
        typename Format<W2, I2, S2, MODES[Q], OVERFLOWS[O]>::type y = x;
        typename Format<W2, I2, S2>::raw result;
        result.range() = y.range();
        record.push_back(int(result.to_int64()));
    }
    std::fwrite(record.data(), sizeof(int), record.size(), stdout);
}

template <int W1, int I1, bool S1, int W2, int I2, bool S2, int Q>
void all_overflows() {
    one_mode<W1, I1, S1, W2, I2, S2, Q, 0>();
    one_mode<W1, I1, S1, W2, I2, S2, Q, 1>();
    one_mode<W1, I1, S1, W2, I2, S2, Q, 2>();
    one_mode<W1, I1, S1, W2, I2, S2, Q, 3>();
}

template <int I1, bool S1, int W2, int I2, bool S2>
void all_modes() {
    all_overflows<12, I1, S1, W2, I2, S2, 0>();
    all_overflows<12, I1, S1, W2, I2, S2, 1>();
    all_overflows<12, I1, S1, W2, I2, S2, 2>();
    all_overflows<12, I1, S1, W2, I2, S2, 3>();
    all_overflows<12, I1, S1, W2, I2, S2, 4>();
    all_overflows<12, I1, S1, W2, I2, S2, 5>();
    all_overflows<12, I1, S1, W2, I2, S2, 6>();
}

int main() {
    // signed to signed: bits dropped, one bit, every bit and more, W - I negative, I > W, wider, one bit wide
    all_modes<4, true, 8, 4, true>();
    all_modes<6, true, 11, 6, true>();
    all_modes<-20, true, 6, 0, true>();
    all_modes<-3, true, 8, -5, true>();
    all_modes<16, true, 9, 14, true>();
    all_modes<4, true, 20, 10, true>();
    all_modes<4, true, 1, 2, true>();
    // unsigned to unsigned, signed to unsigned, unsigned to signed
    all_modes<5, false, 8, 3, false>();
    all_modes<15, false, 6, 13, false>();
    all_modes<4, true, 8, 4, false>();
    all_modes<-3, true, 6, -2, false>();
    all_modes<4, false, 8, 4, true>();
    all_modes<15, false, 7, 17, true>();
#ifdef ALL_FORMATS
    all_modes<4, true, 12, 4, true>();
    all_modes<0, true, 6, 6, true>();
    all_modes<12, true, 7, 9, true>();
    all_modes<-3, true, 5, 2, true>();
    all_modes<16, true, 24, 16, true>();
    all_modes<4, true, 2, 1, true>();
    all_modes<4, true, 1, 4, true>();
    all_modes<4, false, 8, 4, false>();
    all_modes<-2, false, 6, -4, false>();
    all_modes<0, false, 4, 4, false>();
    all_modes<6, false, 1, 3, false>();
    all_modes<5, true, 14, 5, false>();
    all_modes<14, true, 6, 12, false>();
    all_modes<4, false, 13, 5, true>();
    all_modes<-1, false, 7, -2, true>();
    all_modes<4, false, 1, 3, true>();
#endif
    return 0;
}
