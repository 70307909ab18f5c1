"""What a device offers: the width of its multipliers and the size of its memories.

Estimates follow hls/rtl block by block: registers that the SystemVerilog names, one LUT for each bit of an
adder, a choice or a comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import add


@dataclass(frozen=True)
class Packing:
    """How products that share an operand are made: the one definition for estimate, C++ and SystemVerilog.

    Equations and proof of exactness: hls/packed.h, hls/rtl/hwqat_packed.sv.

    Attributes:
        count: products of one multiplication; 1: each by itself.
        pitch: bits from one weight to the next in the wide operand.
        terms: products that may be added packed, a power of two: no field overflows, whatever the operands.
        in_luts: made of LUTs, not of multiplier blocks.
    """

    count: int = 1
    pitch: int = 0
    terms: int = 1
    in_luts: bool = False

    def groups(self, terms: int) -> tuple[int, ...]:
        """How many of ``terms`` products are added packed before they are unpacked: groups of about one size.

        More than half of what is allowed goes into each where there are several, so that the trees of adders before
        and behind the unpacking are together as deep as one.
        """
        count = -(-terms // self.terms)
        size = -(-terms // count)
        return (size,) * (count - 1) + (terms - (count - 1) * size,)


@dataclass(frozen=True)
class Device:
    """A family of FPGAs.

    Attributes:
        name: as in ``--target``; part: a member, for the vendor's tools.
        wide, narrow: signed operands of a multiplier block, in bits.
        packs: whether it computes several narrow products that share an operand in one block.
        bram: (depth, width) of each shape of a block RAM of 18 kbit.
        lutram: (depth, width, LUTs) of each memory made of LUTs; rom: likewise, written never.
        luts_per_bram: a memory goes into block RAM when it saves more LUTs than this for each, as Yosys decides;
            luts_per_bram_rom: likewise, written never.
        control: LUTs that counters and comparisons take for each one of six inputs.
        row_bit: LUTs for a bit of a row, where a product is a sum of rows.
        hls: whether it is built from C++, too, whose loops work in bursts that FIFOs even out; without, SystemVerilog
            alone must keep the rate.
    """

    name: str
    part: str
    wide: int
    narrow: int
    packs: bool
    bram: tuple[tuple[int, int], ...]
    lutram: tuple[tuple[int, int, int], ...]
    rom: tuple[tuple[int, int, int], ...]
    luts_per_bram: int = 96
    luts_per_bram_rom: int = 96
    control: float = 1.0
    row_bit: float = 1.3
    hls: bool = True

    def packing(self, outputs: int, x_bits: int, x_signed: bool, weight_bits: int) -> Packing:
        """How ``outputs`` products ``x * w_k`` that share ``x`` are made: as many in one multiplier as it holds.

        The weights stand in its wide operand as far apart as there is room (and a borrow needs one bit); what
        that leaves above a product lets some be added before they are unpacked.
        """
        shared = x_bits + (not x_signed)
        if self.in_luts(shared, weight_bits):
            return Packing(in_luts=True)
        if not self.packs or shared > self.narrow:
            return Packing()
        largest = (1 << (x_bits - 1) if x_signed else (1 << x_bits) - 1) << (weight_bits - 1)
        for count in range(min(outputs, self.wide), 1, -1):
            pitch = (self.wide - 1 - weight_bits) // (count - 1)
            terms = ((1 << pitch) // 2 - 1) // largest
            if terms >= 1:
                return Packing(count, pitch, 1 << (terms.bit_length() - 1))
        return Packing()

    def in_luts(self, a_bits: int, b_bits: int) -> bool:
        """Whether a product of signed numbers is too small for a multiplier block."""
        return a_bits + b_bits <= SMALL_PRODUCT or min(a_bits, b_bits) <= 1

    def dot(self, outputs: int, terms: int, x_bits: int, x_signed: bool, weight_bits: int) -> Resources:
        """Multipliers of ``outputs`` sums of ``terms`` products; the outputs share their terms' ``x``."""
        packing = self.packing(outputs, x_bits, x_signed, weight_bits)
        return self.products(-(-outputs // packing.count) * terms, x_bits + (not x_signed), weight_bits)

    def products(self, count: int, a_bits: int, b_bits: int) -> Resources:
        """Multipliers of ``count`` products of signed numbers, each by itself."""
        if min(a_bits, b_bits) <= 1:
            return Resources(lut=count * max(a_bits, b_bits))
        if self.in_luts(a_bits, b_bits):
            return Resources(lut=count * 2 * a_bits * b_bits)
        return Resources(dsp=count * self.dsps_of_product(a_bits, b_bits))

    def memory(self, depth: int, width: int, rom: bool = False) -> Resources:
        """A memory with one write and one read port: LUTs, or block RAM where that is worth it; a ROM with its register."""
        if rom:  # of few words many bits are alike or constant
            width = min(width, (1 << min(depth, 32)) - 2)
        shapes = self.rom if rom else self.lutram
        lut = min(-(-depth // d) * -(-width // w) * luts for d, w, luts in shapes)
        bram = min(-(-depth // d) * -(-width // w) for d, w in self.bram)
        worth = self.luts_per_bram_rom if rom else self.luts_per_bram
        return Resources(lut=lut, ff=width if rom else 0) if lut <= worth * bram else Resources(bram=bram)

    def fifo(self, depth: int, width: int) -> Resources:
        """A FIFO: two registers, or a memory and an output register, which a block RAM has inside."""
        if depth == 2:
            return Resources(lut=width + 3, ff=2 * width + 2)
        bits, memory = (depth - 1).bit_length(), self.memory(depth - 1, width)
        return memory + Resources(
            lut=round(self.control * (4 * bits + 4)), ff=(0 if memory.bram else width) + 3 * bits + 1
        )

    def dsps_of_product(self, a_bits: int, b_bits: int) -> int:
        """Blocks of one product of two signed numbers: each operand is cut into pieces that fit."""
        either = ((a_bits, b_bits), (b_bits, a_bits))
        return min(_pieces(a, self.wide) * _pieces(b, self.narrow) for a, b in either)


def _pieces(bits: int, width: int) -> int:
    """Signed pieces of at most ``width`` bits; all but the top one lose a bit to a zero sign."""
    return 1 if bits <= width else 1 + -(-(bits - width) // (width - 1))


#: Products of at most so many bits are made of LUTs, as synthesis does by itself.
SMALL_PRODUCT = 8

_RAMB18 = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
_LUT6_RAM, _LUT6_ROM = ((32, 14, 8), (64, 7, 8)), ((64, 1, 1),)
_LUT4_RAM, _LUT4_ROM = ((16, 4, 6),), ((16, 1, 1),)

DEVICES: dict[str, Device] = {
    device.name: device
    for device in (
        Device("xcup", "xczu9eg-ffvb1156-2-e", 27, 18, True, _RAMB18, _LUT6_RAM, _LUT6_ROM),
        Device("xc7", "xc7z020clg400-1", 25, 18, False, _RAMB18, _LUT6_RAM, _LUT6_ROM),
        Device(
            "ecp5-85k", "LFE5U-85F-6BG381C", 18, 18, False, _RAMB18, _LUT4_RAM, _LUT4_ROM, 144, 128, 2.4, 2.0, False
        ),
    )
}


@dataclass(frozen=True)
class Resources:
    """dsp: multiplier blocks; lut, ff: look-up tables and flip-flops; bram: block RAMs of 18 kbit; uram: of 288 kbit."""

    dsp: int = 0
    lut: int = 0
    ff: int = 0
    bram: int = 0
    uram: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(*map(add, self.vector(), other.vector()))

    def __rmul__(self, times: int) -> Resources:
        return Resources(*(times * amount for amount in self.vector()))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(f.name for f in fields(cls))

    def vector(self) -> tuple[int, ...]:
        """The amounts, in the order of `names`."""
        return self.dsp, self.lut, self.ff, self.bram, self.uram
