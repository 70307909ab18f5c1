"""Networks in other people's formats: ONNX with integer operators, QDQ and QONNX, out and in."""

from .grids import grid_of
from .integers import integer_onnx
from .programs import read_program
from .qdq_out import qdq_onnx
from .qonnx_in import import_qonnx, operators, read_qonnx
from .qonnx_out import qonnx
from .runtime import run_integers, run_qdq, run_qonnx

__all__ = [
    "grid_of",
    "import_qonnx",
    "integer_onnx",
    "operators",
    "qdq_onnx",
    "qonnx",
    "read_program",
    "read_qonnx",
    "run_integers",
    "run_qdq",
    "run_qonnx",
]
