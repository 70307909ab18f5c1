"""The report: facts gathered from a BUILD, plain values, one self-contained HTML page."""

from .gather import Facts, gather
from .page import page, write_report

__all__ = ["Facts", "gather", "page", "write_report"]
