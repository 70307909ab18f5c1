// Trips of pipelined loops, counted in C-simulation and compared with the plan's cycles.
//
// A stage's function opens with HWQAT_STAGE(name, streams); the pipelined loop that it runs says HWQAT_TRIP(). C++
// that ignores its folding is found out by its count. In hardware both are nothing.
#ifndef HWQAT_TRIPS_H
#define HWQAT_TRIPS_H

#include "dialect.h"

#if HWQAT_SIM
namespace hwqat {

/// The trips of one stage; all counters hang on one list, in the order of first use.
struct trip_counter {
    const char *name;
    unsigned long long trips = 0;
    trip_counter *next = nullptr;

    explicit trip_counter(const char *stage) : name(stage)
    {
        static trip_counter **end = &first();
        *end = this;
        end = &next;
    }

    static trip_counter *&first()
    {
        static trip_counter *head = nullptr;
        return head;
    }

    /// The counter of the stage that runs now: C-simulation runs one stage after the other, or in turns.
    static trip_counter *&running()
    {
#ifdef HWQAT_BOUNDED
        return fibres::all().current().trips;
#else
        static trip_counter *stage = nullptr;
        return stage;
#endif
    }
};

} // namespace hwqat
#define HWQAT_STAGE(stage, ...) \
    HWQAT_PROCESS(stage, __VA_ARGS__) \
    static hwqat::trip_counter stage_trips(#stage); \
    hwqat::trip_counter::running() = &stage_trips;
#ifdef HWQAT_BOUNDED
#define HWQAT_TRIP() hwqat::fibres::all().trip(), ++hwqat::trip_counter::running()->trips
#else
#define HWQAT_TRIP() ++hwqat::trip_counter::running()->trips
#endif
#else
#define HWQAT_STAGE(...)
#define HWQAT_TRIP()
#endif

#endif // HWQAT_TRIPS_H
