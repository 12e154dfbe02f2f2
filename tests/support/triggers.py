"""What starts the functions, as function_app.py declares it."""

from functools import cache

import function_app


@cache
def triggers_by_function() -> dict[str, dict[str, object]]:
    """Each function's name and trigger. The app may be asked once a process only."""
    found = function_app.app.get_functions()
    return {str(one.get_function_name()): one.get_trigger().get_dict_repr() for one in found}


def triggers() -> list[dict[str, object]]:
    """Each function's trigger."""
    return list(triggers_by_function().values())
