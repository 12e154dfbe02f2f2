"""Dataverse's manners: change tracking, lookups, `$batch`, and what its errors mean.

`DataverseClient` is what the rest uses. Requests are sent by `p2c.odata.transport`.
"""

from p2c.dataverse.client import DataverseClient

__all__ = ["DataverseClient"]
