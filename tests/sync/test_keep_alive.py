"""Claims are renewed while a message is worked on, and not a moment longer.

The thread renews by real time, so these tests wait for it with a deadline.
"""

import threading
import time
from datetime import timedelta
from typing import Protocol

import pytest

from p2c.errors import UnavailableError
from p2c.sync.claims import Held, make_claim
from p2c.sync.keep_alive import keep_claims
from p2c.sync.ledger import Change, Entry, Ledger
from tests.support.memory import START, MemoryDocuments, SimulatedClock
from tests.sync.builders import Fuse, row_id

DEADLINE_SECONDS = 10
CLAIM_SECONDS = 0.06


class Reached(Protocol):
    def __call__(self) -> bool: ...


def wait_for(reached: Reached) -> bool:
    """Look again and again until it is so, or the deadline has passed."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not reached():
        if time.monotonic() > end:
            return False
        threading.Event().wait(0.005)
    return True


class Holding:
    """A claimed row."""

    def __init__(self, fuse: Fuse | None = None) -> None:
        documents = MemoryDocuments()
        self.clock = SimulatedClock()
        self.ledger = Ledger(documents, "accounts", "Accounts")
        entry = make_claim(Entry(row_id=row_id(1)), "one", START, CLAIM_SECONDS)
        version = self.ledger.write([Change(entry)])[entry.row_id]
        self.held = Held(
            ledger=Ledger(fuse.wrap(documents), "accounts", "Accounts") if fuse else self.ledger,
            clock=self.clock,
            claim_seconds=CLAIM_SECONDS,
            claimed_at=START,
            send_before=60,
            lease_until=CLAIM_SECONDS,
            entries={entry.row_id: Entry(row_id(1), version=version, claim=entry.claim)},
        )

    def deadline(self):
        claim = self.ledger.read([row_id(1)])[row_id(1)].claim
        return claim.deadline if claim else None


def test_claims_are_renewed_while_the_block_runs():
    holding = Holding()
    with keep_claims(holding.held):
        for seconds in (7, 4):
            holding.clock.advance(seconds)
            later = holding.clock.now() + timedelta(seconds=CLAIM_SECONDS)
            assert wait_for(lambda later=later: holding.deadline() == later)
    assert holding.held.may_send_before() == 11 + CLAIM_SECONDS
    assert holding.held.lost == set()


def test_nothing_is_renewed_after_the_block():
    holding = Holding()
    holding.clock.advance(7)
    with keep_claims(holding.held):
        assert wait_for(lambda: holding.deadline() > START + timedelta(seconds=7))
    assert not any(thread.name == "p2c-keep-claims" for thread in threading.enumerate())


def test_the_thread_ends_when_the_block_fails():
    holding = Holding()
    with pytest.raises(ZeroDivisionError), keep_claims(holding.held):
        raise ZeroDivisionError
    assert not any(thread.name == "p2c-keep-claims" for thread in threading.enumerate())


def test_storage_that_does_not_answer_leaves_the_claim_to_run_out_and_is_tried_again():
    fuse = Fuse(0, UnavailableError("away", service="storage"))
    holding = Holding(fuse)
    holding.clock.advance(7)
    with keep_claims(holding.held):
        assert wait_for(lambda: fuse.left <= -3)
    assert holding.deadline() == START + timedelta(seconds=CLAIM_SECONDS)
    assert holding.held.may_send_before() == CLAIM_SECONDS
