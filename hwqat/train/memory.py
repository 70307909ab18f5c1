"""Large tensors that come and go in each step should keep their memory.

The C library gives a large block that is freed back to the system, and asks for it anew in the next step; the system
then fills every page of it with zeros, which costs up to a tenth of a training step on a CPU.
"""

from __future__ import annotations

import ctypes
import sys

#: Parameters of mallopt (malloc.h), and the threshold that means never.
TRIM_THRESHOLD, MMAP_MAX, NEVER = -1, -4, -1


def keep_pages() -> bool:
    """Freed memory stays with this process from now on. Returns whether its C library could be told; glibc can."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all([mallopt(MMAP_MAX, 0), mallopt(TRIM_THRESHOLD, NEVER)])
