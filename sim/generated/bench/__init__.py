"""cocotb bench for AXI4-Stream accelerators; it runs inside the simulator."""
