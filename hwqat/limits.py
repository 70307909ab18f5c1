"""Widths that the hardware library is built for; tests hold the C++ and the SystemVerilog to them."""

#: Bits of a beat, and of TDATA: the widest word that ap_uint takes (hls/dialect.h asks for it).
MAX_WORD = 4096
#: Beats that no FIFO reaches.
MAX_DEPTH = 1 << 30
#: Bits of the sum inside requantise.
SUM_BITS = 64
#: Widest accumulator any back end builds: that of a DSP48E2.
MAX_ACCUMULATOR_BITS = 48
#: Elements of one frame of a tensor: four times a 4K image of four channels.
MAX_ELEMENTS = 1 << 27
