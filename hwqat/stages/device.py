"""What a device offers: the width of its multipliers and the size of its memories."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Device:
    """A family of FPGAs.

    Attributes:
        name: as in ``--target``; part: a member, for the vendor's tools.
        wide, narrow: signed operands of a multiplier block, in bits.
        packs: whether it computes several narrow products that share an operand in one block.
        bram_bits: of one block RAM; bram_shapes: its (depth, width) shapes.
        lutram: (depth, width in bits, LUTs) of the smallest memory made of LUTs.
    """

    name: str
    part: str
    wide: int
    narrow: int
    packs: bool
    bram_bits: int
    bram_shapes: tuple[tuple[int, int], ...]
    lutram: tuple[int, int, int]

    def products_per_dsp(self, shared_bits: int, other_bits: int) -> int:
        """Products ``x * w_i`` with one ``x`` that a multiplier computes at once.

        shared_bits: of ``x``, as a signed number; other_bits: of each ``w_i``. The ``w_i`` stand in one word,
        as far apart as a product is wide: ``w_0 + (w_1 << pitch) + ...``, and a borrow needs one bit.
        """
        if not self.packs or shared_bits > self.narrow:
            return 1
        pitch = shared_bits + other_bits
        return max(1, 1 + (self.wide - 1 - other_bits) // pitch)

    def dsps_of_product(self, a_bits: int, b_bits: int) -> int:
        """Blocks of one product of two signed numbers: each operand is cut into pieces that fit."""
        either = ((a_bits, b_bits), (b_bits, a_bits))
        return min(_pieces(a, self.wide) * _pieces(b, self.narrow) for a, b in either)


def _pieces(bits: int, width: int) -> int:
    """Signed pieces of at most ``width`` bits; all but the top one lose a bit to a zero sign."""
    return 1 if bits <= width else 1 + -(-(bits - width) // (width - 1))


_RAMB18 = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
_DP16KD = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))

DEVICES: dict[str, Device] = {
    device.name: device
    for device in (
        Device("xcup", "xczu9eg-ffvb1156-2-e", 27, 18, True, 18432, _RAMB18, (64, 1, 1)),
        Device("xc7", "xc7z020clg400-1", 25, 18, False, 18432, _RAMB18, (64, 1, 1)),
        Device("ecp5-85k", "LFE5U-85F-6BG381C", 18, 18, False, 18432, _DP16KD, (16, 4, 4)),
    )
}


@dataclass(frozen=True)
class Resources:
    """dsp: multiplier blocks; lut, ff: look-up tables and flip-flops; bram: block RAMs of 18 kbit."""

    dsp: int = 0
    lut: int = 0
    ff: int = 0
    bram: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))
