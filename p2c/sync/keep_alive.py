"""Renews claims while a message is worked on, so that only a lost worker loses its rows."""

import contextlib

from p2c.sync.claims import Held
from p2c.sync.repeat import repeating

RENEWALS_PER_CLAIM = 3


def keep_claims(held: Held) -> contextlib.AbstractContextManager[None]:
    """Renew claims three times in the time they hold, until the block ends.

    Storage that does not answer lets the claims run out: nothing is sent after that.
    """
    return repeating(held.renew, held.claim_seconds / RENEWALS_PER_CLAIM, "p2c-keep-claims")
