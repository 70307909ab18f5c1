"""Figures without a plotting library: SVG and PNG as strings, for the report and the sweeps."""
