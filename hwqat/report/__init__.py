"""The report: facts gathered from a BUILD, plain values, one self-contained HTML page."""

from .against import Other, differences, read_other
from .gather import Facts, gather
from .page import page, write_report
from .plots import read_sweep

__all__ = ["Facts", "Other", "differences", "gather", "page", "read_other", "read_sweep", "write_report"]
