"""What tests of the worker need: its library, which is for Python 3.13 and newer."""

import sys
from importlib.util import find_spec

import pytest

needs_worker = [
    pytest.mark.worker,
    pytest.mark.skipif(
        find_spec("azure_functions_runtime") is None,
        reason="The Functions worker's library is for Python 3.13, this is "
        f"{sys.version_info[0]}.{sys.version_info[1]}.",
    ),
]
