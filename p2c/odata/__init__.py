"""The OData protocol as both services speak it, and the only place that opens connections to them.

What one service means by an answer is left to `p2c.dataverse` and `p2c.fno`.
"""
