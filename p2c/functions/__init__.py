"""What the Azure Functions do; `function_app.py` says when.

Each module has the work of one kind of trigger, as plain functions that `function_app.py` calls.
What a change comes to is left to `p2c.sync`.
"""
