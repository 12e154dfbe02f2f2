"""What tests of the worker need: its library, which is for Python 3.13 and newer.

Where the Python fits, a library that is not installed is a failure, not a reason to skip.
"""

import sys

import pytest

needs_worker = [
    pytest.mark.worker,
    pytest.mark.skipif(
        sys.version_info < (3, 13),
        reason="The Functions worker's library is for Python 3.13, this is "
        f"{sys.version_info[0]}.{sys.version_info[1]}.",
    ),
]
