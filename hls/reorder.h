// Reorder: the beats of a unit of an image leave in another order, or several times.
//
//   out[unit, i0, i1, i2, i3] = in[unit, i0 * stride0 + i1 * stride1 + i2 * stride2 + i3 * stride3]
//
// One unit is filled while the one before leaves: a period more than there are units.
//
// S: units, in_beats, out_beats, trips (the larger of the two), pe, bits, count0, stride0, ..., count3,
//    stride3, distance (trips from a beat that comes to the first that leaves of it, at least), cycles.
#ifndef HWQAT_REORDER_H
#define HWQAT_REORDER_H

#include "beat.h"
#include "trips.h"

namespace hwqat {

template <class S>
HWQAT_INLINE void reorder(hls::stream<beat<S::pe, S::bits>> &in, hls::stream<beat<S::pe, S::bits>> &out)
{
    static_assert(S::cycles == (S::units + 1) * S::trips, "the plan's cycles must be (units + 1) * trips");
    static_assert(S::out_beats == S::count0 * S::count1 * S::count2 * S::count3, "the counters must make a unit");
    constexpr int PERIODS = S::units + 1, DISTANCE = S::distance;
    static_assert(DISTANCE >= 1, "a beat must be written before it leaves");

    static beat<S::pe, S::bits> even[S::in_beats];
    static beat<S::pe, S::bits> odd[S::in_beats];
    index_t<S::count1> i1;
    index_t<S::count2> i2;
    index_t<S::count3> i3;
    index_t<S::in_beats> place0, place1, place2, place3;
    HWQAT_READ_AFTER_WRITE(even, DISTANCE)
    HWQAT_READ_AFTER_WRITE(odd, DISTANCE)

Period:
    for (int period = 0; period < PERIODS; ++period) {
    Trip:
        for (int trip = 0; trip < S::trips; ++trip) {
            HWQAT_PIPELINE
            HWQAT_TRIP();
            const bool second = period % 2 != 0;
            if (trip == 0) { // the first counter goes on to the period's end: its place is enough
                i1 = i2 = i3 = 0;
                place0 = place1 = place2 = place3 = 0;
            }
            if (trip < S::in_beats && period < S::units) {
                const beat<S::pe, S::bits> x = in.read();
                if (second) {
                    odd[trip] = x;
                } else {
                    even[trip] = x;
                }
            }
            if (trip < S::out_beats && period > 0) {
                const int place = int(place0) + int(place1) + int(place2) + int(place3);
                out.write(second ? even[place] : odd[place]);
                const bool last3 = i3 == S::count3 - 1, last2 = i2 == S::count2 - 1, last1 = i1 == S::count1 - 1;
                if (last3 && last2 && last1) {
                    place0 = int(place0) + S::stride0;
                }
                if (last3 && last2) {
                    i1 = last1 ? 0 : int(i1) + 1;
                    place1 = last1 ? 0 : int(place1) + S::stride1;
                }
                if (last3) {
                    i2 = last2 ? 0 : int(i2) + 1;
                    place2 = last2 ? 0 : int(place2) + S::stride2;
                }
                i3 = last3 ? 0 : int(i3) + 1;
                place3 = last3 ? 0 : int(place3) + S::stride3;
            }
        }
    }
}

} // namespace hwqat

#endif // HWQAT_REORDER_H
