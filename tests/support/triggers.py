"""What starts the functions, as function_app.py declares it."""

from functools import cache

import function_app


@cache
def triggers() -> list[dict[str, object]]:
    """Each function's trigger. The app may be asked once a process only."""
    return [found.get_trigger().get_dict_repr() for found in function_app.app.get_functions()]
