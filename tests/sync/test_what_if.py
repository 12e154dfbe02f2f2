"""What is written in a what-if is seen there as if it were stored, and is stored nowhere."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c.model import Create, Put, RecordKey, Update, Value, Written
from p2c.sync.what_if import PEEKED, WhatIfDestination, WhatIfDocuments, WhatIfQueue
from tests.support.memory import MemoryDocuments, MemoryQueue, SimulatedClock
from tests.sync.builders import RecordingFno

NAME = st.sampled_from(["a", "b", "c", "~d"])
BODY = st.fixed_dictionaries({"x": st.sampled_from([1, 2, True, "1"])})
STALE = st.sampled_from(["known", "known", "known", "none", "first"])
STEP = st.one_of(
    st.tuples(st.just("put"), NAME, BODY, STALE),
    st.tuples(st.just("put_all"), st.lists(st.tuples(NAME, BODY, STALE), max_size=3)),
    st.tuples(st.just("delete"), NAME),
    st.tuples(st.just("get"), NAME),
    st.tuples(st.just("scan"), st.sampled_from(["", "b"]), st.sampled_from(["", "c"]), BODY),
)


class Documents:
    """Takes the same steps on any documents; versions differ, what they stand for does not."""

    def __init__(self, documents: Any) -> None:
        self.documents = documents
        self.first: dict[str, str | None] = {}

    def version(self, name: str, stale: str) -> str | None:
        known = self.documents.get("p", name)
        version = known.version if known else None
        self.first.setdefault(name, version)
        return {"known": version, "none": None, "first": self.first[name]}[stale]

    def take(self, step: tuple[Any, ...]) -> object:
        kind, *more = step
        if kind == "put":
            name, body, stale = more
            return self.documents.put("p", name, body, self.version(name, stale)) is not None
        if kind == "put_all":
            puts = {
                name: Put(name, body, self.version(name, stale)) for name, body, stale in more[0]
            }
            done = self.documents.put_all("p", list(puts.values()))
            return done if isinstance(done, str) else sorted(done)
        if kind == "delete":
            return self.documents.delete("p", more[0])
        if kind == "get":
            found = self.documents.get("p", more[0])
            return found.body if found else None
        first, last, equals = more
        return self.everything(first=first, last=last, equals=equals)

    def everything(self, **bounds: Any) -> list[object]:
        return [(found.name, found.body) for found in self.documents.scan("p", **bounds)]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(NAME, BODY), st.lists(STEP, max_size=12))
def test_documents_behave_as_if_they_were_written(
    stored: dict[str, dict[str, Any]], steps: list[tuple[Any, ...]]
) -> None:
    real, plain = MemoryDocuments(), MemoryDocuments()
    for name, body in stored.items():
        real.put("p", name, body, None)
        plain.put("p", name, body, None)
    before = [(found.name, found.body, found.version) for found in real.scan("p")]
    what_if, as_written = Documents(WhatIfDocuments(real, MemoryDocuments())), Documents(plain)
    for step in steps:
        assert what_if.take(step) == as_written.take(step)
    assert what_if.everything() == as_written.everything()
    assert [(found.name, found.body, found.version) for found in real.scan("p")] == before


def test_a_version_given_out_before_a_write_is_of_no_use_after_it() -> None:
    real = MemoryDocuments()
    version = real.put("p", "a", {}, None)
    documents = WhatIfDocuments(real, MemoryDocuments())
    assert documents.put("p", "a", {"x": 1}, version)
    assert documents.put("p", "a", {"x": 2}, version) is None


def test_a_queue_shows_what_is_there_and_counts_what_is_hidden() -> None:
    clock = SimulatedClock()
    real = MemoryQueue(clock)
    real.send("one")
    real.send("later", delay_seconds=60)
    queue = WhatIfQueue(real)
    queue.look()
    queue.send("two")
    queue.send("much later", delay_seconds=1)
    assert (queue.length(), queue.peek(1)) == (2, ["one"])
    assert queue.take() == ["one", "two"]
    assert queue.take() == []
    assert (queue.unseen, queue.cut) == (1, False)
    assert real.length() == 2
    (message,) = real.receive(32, 30)
    assert message.dequeue_count == 1


def test_a_queue_says_when_storage_may_show_less_than_there_is() -> None:
    real = MemoryQueue(SimulatedClock())
    for number in range(PEEKED + 3):
        real.send(str(number))
    queue = WhatIfQueue(real)
    queue.look()
    assert (len(queue.take()), queue.unseen, queue.cut) == (PEEKED, 3, True)


def key(number: str) -> RecordKey:
    return RecordKey("Customers", (("dataAreaId", "usmf"), ("Account", number)))


@pytest.fixture
def fno() -> RecordingFno:
    fno = RecordingFno(SimulatedClock())
    fno.records["Customers", "usmf", "a1"] = {
        "dataAreaId": "usmf",
        "Account": "A1",
        "Name": "Acme",
        "Party": "P1",
    }
    return fno


def write(destination: WhatIfDestination, *operations: Create | Update) -> list[Written]:
    return [found.written for found in destination.write(operations, send_before=0)]


def test_a_record_that_would_be_created_is_found_by_any_field(fno: RecordingFno) -> None:
    destination = WhatIfDestination(fno, MemoryDocuments())
    create = Create(key("A2"), {"Account": "A2", "Name": "Bolt", "Party": "P2"})
    assert write(destination, create) == [Written.DONE]
    for field, value in (("Account", "a2 "), ("Party", "p2")):
        (found,) = destination.find("Customers", field, [value], ("Name", "dataAreaId"))
        assert (found["Name"], found["dataAreaId"]) == ("Bolt", "usmf")
    assert write(destination, create) == [Written.EXISTS]
    assert fno.batches == []


def test_a_record_that_would_be_changed_is_found_as_it_would_be(fno: RecordingFno) -> None:
    destination = WhatIfDestination(fno, MemoryDocuments())
    update = Update(key("a1"), {"Party": "P9"})
    assert write(destination, update) == [Written.DONE]
    assert destination.take_replaced()[id(update)].old == {"Party": "P1"}
    assert destination.take_replaced() == {}
    assert destination.find("Customers", "Party", ["P1"], ("Name",)) == []
    (found,) = destination.find("Customers", "Party", ["P9"], ("Account",))
    assert found["Account"] == "A1"
    (found,) = destination.find("Customers", "Account", ["A1"], ("Name", "Party"))
    assert (found["Name"], found["Party"]) == ("Acme", "P9")
    again = Update(key("A1"), {"Party": "P10"})
    assert write(destination, again) == [Written.DONE]
    assert destination.take_replaced()[id(again)].old == {"Party": "P9"}
    assert fno.records["Customers", "usmf", "a1"]["Party"] == "P1"


def test_a_record_that_is_gone_is_absent(fno: RecordingFno) -> None:
    destination = WhatIfDestination(fno, MemoryDocuments())
    assert write(destination, Update(key("A7"), {"Name": "Bolt"})) == [Written.ABSENT]


def test_old_values_are_read_in_one_request_and_not_at_all_when_just_looked_at(
    fno: RecordingFno,
) -> None:
    for number in range(20):
        fno.put_customer(f"B{number}")
    destination = WhatIfDestination(fno, MemoryDocuments())
    values: dict[str, Value] = {"Name": "New"}
    write(destination, *(Update(key(f"B{number}"), values) for number in range(20)))
    assert len(fno.finds) == 1
    destination.take_replaced()
    destination.find("Customers", "Account", ["A1"], ("dataAreaId", "Account", "Name"))
    assert write(destination, Update(key("A1"), values)) == [Written.DONE]
    assert len(fno.finds) == 2


def test_old_values_are_read_anew_for_other_fields_and_for_another_message(
    fno: RecordingFno,
) -> None:
    destination = WhatIfDestination(fno, MemoryDocuments())
    look = ("Customers", "Account", ["A1"], ("dataAreaId", "Account", "Name"))
    destination.find(*look)
    party = Update(key("A1"), {"Party": "P2"})
    write(destination, party)
    assert len(fno.finds) == 2
    assert destination.take_replaced()[id(party)].old == {"Party": "P1"}
    fno.records["Customers", "usmf", "a1"]["Name"] = "By hand"
    write(destination, Update(key("A1"), {"Name": "New"}))
    assert len(fno.finds) == 3
