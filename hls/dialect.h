// One source, three compilers: Vitis HLS, PandA-bambu, and g++ for C-simulation.
//
//   Vitis HLS   __SYNTHESIS__ is defined; every macro below becomes its pragma.
//   bambu       __BAMBU__ is defined; pragmas that it takes for errors vanish.
//   g++         neither is defined (HWQAT_SIM is 1); the macros vanish, loops count their trips.
//
// Pragmas that all three accept or ignore (array_partition, stream) are written as they are, and so are those of
// the top function, which bambu has of its own.
#ifndef HWQAT_DIALECT_H
#define HWQAT_DIALECT_H

#if defined(__SYNTHESIS__) || defined(__BAMBU__)
#define HWQAT_SIM 0
#else
#define HWQAT_SIM 1
// Loops are labelled for the reports of HLS tools; what a loop's first trip sets has no value before it.
#pragma GCC diagnostic ignored "-Wunused-label"
#pragma GCC diagnostic ignored "-Wuninitialized"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#endif

#ifndef AP_INT_MAX_W
#define AP_INT_MAX_W 4096 // the widest beat; ap_int.h stops at 1024 unless told
#endif
#include <ap_int.h>
#if HWQAT_SIM && defined(HWQAT_BOUNDED)
#include "bounded.h"
#else
#include <hls_stream.h>
// What only bounded C-simulation needs: a process that runs by itself, reads and writes of one trip.
#define HWQAT_PROCESS(...)
#define HWQAT_READ_TOGETHER(...)
#define HWQAT_WRITE_TOGETHER(...)
#endif

// A stream's name: bambu's streams have none.
#if defined(__BAMBU__)
#define HWQAT_NAME(name)
#else
#define HWQAT_NAME(name) (name)
#endif

// A library template becomes part of the layer function that calls it.
#define HWQAT_INLINE inline __attribute__((always_inline))

#define HWQAT_PRAGMA(...) _Pragma(#__VA_ARGS__)

// A macro's parameter must not have the name of a pragma's option: the preprocessor would replace the option too, and
// Vitis drops a pragma that it does not understand with no more than a warning. Options are written in the positional
// forms, which every release of Vitis HLS takes (`complete`, not `type=complete`).
#if HWQAT_SIM || defined(__BAMBU__)
#define HWQAT_PIPELINE
#define HWQAT_UNROLL
#define HWQAT_BIND_PRODUCT(result, unit)
#define HWQAT_READ_AFTER_WRITE(array, trips)

#else // Vitis HLS
// One trip a cycle. A pipeline that flushes (flp) cannot hold back its last results when input pauses. No `rewind`: the
// tool rewinds such loops by itself (config_compile -enable_auto_rewind), 2020.2 refuses it beside flp.
#define HWQAT_PIPELINE HWQAT_PRAGMA(HLS PIPELINE II=1 style=flp)
#define HWQAT_UNROLL HWQAT_PRAGMA(HLS UNROLL)
// Behind the definition of the variable that a product initialises; unit: dsp or fabric (LUTs).
#define HWQAT_BIND_PRODUCT(result, unit) HWQAT_PRAGMA(HLS BIND_OP variable=result op=mul impl=unit)
// An element that a trip writes is read `trips` trips later at the earliest.
#define HWQAT_READ_AFTER_WRITE(array, trips) HWQAT_PRAGMA(HLS DEPENDENCE variable=array inter RAW distance=trips true)
#endif

#endif // HWQAT_DIALECT_H
