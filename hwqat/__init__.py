"""hwqat: from a PyTorch network to an FPGA accelerator that computes exactly what was validated."""

__version__ = "0.1.0"
