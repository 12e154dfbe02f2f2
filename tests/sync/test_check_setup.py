"""The order of the checks, what one leaves of the others, and what services rarely do."""

from dataclasses import replace
from datetime import timedelta

import pytest

from p2c.errors import ServiceRefusedError, UnavailableError
from p2c.model import Caller, ChangePage, DestinationMetadata, TableDefinition
from p2c.sync.backoff import Backoff
from p2c.sync.check_setup import LISTED, Setup, check_setup
from p2c.sync.findings import Verdict, status_of
from tests.support.memory import MemoryDocuments, SimulatedClock

USER = "0f8fad5b-d9cb-469f-a165-70867728950e"


class Storage:
    """Storage whose tables and queues can be listed; `broken` is refused."""

    def __init__(self, broken=""):
        self._broken = broken

    def tables(self):
        return frozenset({"p2cstate"})

    def queues(self):
        return frozenset()

    def try_table(self):
        self._try("tables")

    def try_queue(self):
        self._try("queues")

    def _try(self, what):
        if what == self._broken:
            raise ServiceRefusedError("no role for it", service="storage")


class Sales:
    """Dataverse with one table of one column, in which nothing is wrong."""

    def __init__(self, clock, ahead=0.0):
        self._clock = clock
        self._ahead = timedelta(seconds=ahead)

    def who_am_i(self):
        return Caller(USER, self._clock.now() + self._ahead)

    def table_definition(self, logical_name):
        return TableDefinition(logical_name, f"{logical_name}s", "id", True, {}, {})

    def changes(self, query, link, *, tracked):
        return ChangePage((), (), None, "link")

    def sample(self, query):
        return 0


class Finance:
    """F&O with some legal entities and nothing else."""

    def __init__(self, companies=("usmf",), error=None):
        self._companies = list(companies)
        self._error = error

    def companies(self):
        return self._companies

    def metadata(self, entity_sets):
        if self._error:
            raise self._error
        return DestinationMetadata(frozenset(), {}, {})

    def find(self, entity_set, field, values, select):
        return []


@pytest.fixture
def setup():
    clock = SimulatedClock()
    state = MemoryDocuments()
    return Setup(
        tasks=(),
        legal_entity="USMF",
        tables=("p2cstate", "p2cledger"),
        state_table="p2cstate",
        queues=("p2c-accounts",),
        storage=Storage(),
        source=Sales(clock),
        destination=Finance(),
        backoff={name: Backoff(state, clock, name) for name in ("dataverse", "fno")},
        clock=clock,
        hindered={},
    )


def found(setup, **changed):
    """Findings by area and subject."""
    return {
        f"{finding.area}: {finding.subject}": finding
        for finding in check_setup(replace(setup, **changed))
    }


def test_nothing_is_wrong_with_a_set_up_that_is_right(setup):
    findings = found(setup)
    assert list(findings) == [
        "storage: tables",
        "storage: queues",
        "dataverse: connection",
        "fno: connection",
        "fno: legal entity 'USMF'",
    ]
    assert status_of(findings.values()) == "Completed"
    assert findings["storage: tables"].found.endswith("; p2cledger will be made at first use")


@pytest.mark.parametrize("broken", ["tables", "queues"])
def test_storage_that_can_be_listed_but_not_written_is_broken(setup, broken):
    findings = found(setup, storage=Storage(broken))
    wrong = {subject for subject, one in findings.items() if one.verdict is Verdict.BROKEN}
    assert wrong == {f"storage: {broken}"}
    assert findings[f"storage: {broken}"].found == "no role for it"


@pytest.mark.parametrize("ahead", [61, -61])
def test_a_clock_that_differs_is_a_warning(setup, ahead):
    findings = found(setup, source=Sales(setup.clock, ahead))
    clock = findings["dataverse: clock"]
    assert (clock.verdict, clock.code) == (Verdict.WARNING, "clock-differs")
    assert clock.found == "this machine's differs by 61 s"
    assert status_of(findings.values()) == "Warning"


@pytest.mark.parametrize("ahead", [60, -60])
def test_a_clock_may_differ_by_as_much_as_the_settle_time_allows(setup, ahead):
    assert "dataverse: clock" not in found(setup, source=Sales(setup.clock, ahead))


def test_an_outage_in_the_middle_leaves_the_rest_unchecked(setup):
    error = UnavailableError("fno gave no answer.", service="fno")
    findings = found(setup, destination=Finance(error=error))
    assert findings["fno: connection"].code == "service-unavailable"
    assert findings["fno: the rest"].verdict is Verdict.NOT_CHECKED


def test_of_many_legal_entities_some_are_named(setup):
    companies = [f"c{number:03}" for number in range(LISTED + 5)]
    finding = found(setup, destination=Finance(companies))["fno: legal entity 'USMF'"]
    assert finding.expected.endswith("c019 and 5 more")


def test_what_is_hindered_is_not_asked(setup):
    everything = dict.fromkeys(("storage", "dataverse", "fno"), "it is not set")
    findings = found(setup, hindered=everything, storage=None, source=None, destination=None)
    assert {one.found for one in findings.values()} == {"it is not set"}
    assert {one.verdict for one in findings.values()} == {Verdict.NOT_CHECKED}
