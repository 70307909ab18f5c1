"""The tables of Krishnamoorthi's whitepaper (2018) for a network of one's own: `hwqat compare`."""

from hwqat.compare.output import text, write_result
from hwqat.compare.runner import Settings, compare
from hwqat.compare.tables import Cell, Row, Table, whitepaper

__all__ = ["Cell", "Row", "Settings", "Table", "compare", "text", "whitepaper", "write_result"]
