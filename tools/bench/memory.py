"""How much memory a process has had."""

import sys


def peak_bytes() -> int:
    """Return the most memory that this process has had since it runs this program.

    What the system counts for a process, ``ru_maxrss``, starts with what its parent had.
    """
    if sys.platform == "linux":
        # Path would have to be imported, and what imports this wants to be small.
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
            line = next(line for line in status if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource  # noqa: PLC0415  only elsewhere than on Linux

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
