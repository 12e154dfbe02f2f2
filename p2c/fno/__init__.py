"""The manners of Finance and Operations: companies, keys, `$batch`, and what its infolog means.

`FnoClient` is what the rest uses. Requests are sent by `p2c.odata.transport`.
"""

from p2c.fno.client import FnoClient

__all__ = ["FnoClient"]
