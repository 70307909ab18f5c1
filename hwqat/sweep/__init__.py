"""Sweeps: the accuracy of a trained network over formats and bits, every point in exact integers.

points.py   what is asked for        memo.py     one point on some images, with what the last one computed
journal.py  finished work, on disk   worker.py   a process that evaluates
runner.py   who does what, when      output.py   table, CSV, JSON      plots.py, pareto.py   figures
"""

from .points import Point, grid
from .runner import run_sweep

__all__ = ["Point", "grid", "run_sweep"]
