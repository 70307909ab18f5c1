"""Synthesis of the open RTL without a vendor tool: Yosys counts each stage, nextpnr places and routes on ECP5.

cells.py    the instances in BUILD/rtl, each as a small design of its own
targets.py  families of FPGAs: Yosys's command, what each of its cells costs
yosys.py    counts of many cells, kept by content
place.py    the whole design through nextpnr
result.py   sums, beside the plan's estimates; the table
"""

from .result import SynthResult, run_synth, synth_json, synth_rows, synth_table

__all__ = ["SynthResult", "run_synth", "synth_json", "synth_rows", "synth_table"]
