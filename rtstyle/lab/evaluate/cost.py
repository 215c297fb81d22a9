"""Cost besides time: memory."""

import resource
import sys


def memory_mb() -> float:
    """Peak resident memory of this process in MB, the lab's own libraries included. `[any]`"""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0 * 1024.0 if sys.platform == "darwin" else 1024.0)
