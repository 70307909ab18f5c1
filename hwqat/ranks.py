"""Which of several processes this is: what `torchrun` says in the environment, without importing torch."""

import os


def is_first() -> bool:
    """Whether this process speaks for all: rank 0, or the only one."""
    return os.environ.get("RANK", "0") == "0"
