"""Networks in other people's formats: ONNX with integer operators, QONNX out and in."""

from .integers import integer_onnx
from .runtime import run_integers

__all__ = ["integer_onnx", "run_integers"]
