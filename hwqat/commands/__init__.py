"""The commands by name, in the order in which they are used, each with what it does in one line.

Each is a module with `arguments(parser)` and `run(args)` -> (result, exit code), which is imported when it is typed.
"""

import importlib
from types import ModuleType

COMMANDS = {
    "train": "train a network, float first and then with the hardware's arithmetic",
    "quantize": "bring a trained float network to integers without training it",
    "eval": "accuracy of a RUN or BUILD by an engine",
    "export": "write the hardware of a trained network: HLS C++, SystemVerilog, vectors, plan",
    "csim": "compile the HLS C++ with g++, run it and compare it with golden",
    "cosim": "simulate the SystemVerilog with Verilator and cocotb and compare it with golden",
    "csynth": "synthesise the HLS C++ with Vitis or bambu and set its report against the plan",
    "synth": "count the RTL's resources with Yosys; on ECP5, place and route it with nextpnr",
    "doctor": "list the tools found, what each enables, and how to get what is missing",
    "onnx": "write a RUN or BUILD as ONNX (integer operators) or QONNX (Quant nodes)",
    "import": "read a quantised ONNX file (QONNX, QDQ, QCDQ, QOperator) into a folder with its integer graph",
    "migrate": "bring a RUN of an older hwqat over, so that it holds its network",
    "report": "write one self-contained HTML page about a build",
    "layers": "paths, shapes, bits and MACs of a network's layers and activations: the names that schemes use",
    "plan": "whether a network fits a board, how fast it is there, and what limits it: before any training",
    "boards": "list the boards that are known, with what each has",
    "compare": "tables of what post-training quantisation and training reach on a float run",
    "sweep": "accuracy and hardware cost of a run over formats and bits, every point in exact integers",
    "search": "search bits for each layer: most accuracy within a budget of memory, DSPs or cycles",
    "config": "check config files and print what they come to; --schema: the JSON schema of such a file",
    "completion": "print what makes a shell complete commands, options and names",
}
_FILES = {"eval": "evaluate", "import": "import_"}  # names that Python has taken


def load(command: str) -> ModuleType:
    """The module of one of COMMANDS."""
    return importlib.import_module(f".{_FILES.get(command, command)}", __name__)
