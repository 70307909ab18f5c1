"""HLS compilers on a BUILD: which is on PATH, how it is called, what its report says."""

from .compilers import COMPILERS, Job, choose
from .run import run_csynth

__all__ = ["COMPILERS", "Job", "choose", "run_csynth"]
