"""The generated sources themselves, simulated and compared with golden: the C++ by g++, the SystemVerilog in Verilator."""
