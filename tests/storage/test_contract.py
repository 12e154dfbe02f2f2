"""What p2c believes of documents and queues, held against memory and Azurite alike."""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from p2c.errors import MessageError
from p2c.model import Put, Received
from p2c.storage import StorageAccount
from p2c.storage.limits import MESSAGE_LIMIT_BYTES
from p2c.storage.scratch import scratch
from p2c.sync.ports import Documents, Queue
from tests.support.memory import MemoryDocuments, MemoryQueue, SimulatedClock

# Everything that Azure forbids in a key, what the encoding uses itself, and names of the field.
AWKWARD_NAMES = [
    "",
    " ",
    "!",
    '"quoted"',
    "#1",
    "%2F",
    "'apostrophe'",
    "-",
    ".",
    "..",
    "ACC-01000/7",
    "Accounts - Customers",
    "a\tb",
    "a\x7fb",
    "a b",
    "a#b",
    "a.b",
    "a/b",
    "a?b",
    "a\\b",
    "a~b",
    "x>y[z]",
    "Ærøskøbing",
    "東京",
]


@dataclass(frozen=True)
class Kit:
    """An implementation under test, and how time passes in it."""

    documents: Documents
    queue: Queue
    wait_until: Callable[[Callable[[], bool]], None]


@pytest.fixture(params=["memory", "azurite"])
def kit(request: pytest.FixtureRequest) -> Kit:
    return new_kit(request, request.param)


def new_kit(request: pytest.FixtureRequest, kind: str) -> Kit:
    if kind == "memory":
        clock = SimulatedClock()

        def pass_time(condition: Callable[[], bool]) -> None:
            for _ in range(20):
                if condition():
                    return
                clock.advance(1)
            raise AssertionError("The condition did not come true within 20 simulated seconds.")

        return Kit(MemoryDocuments(), MemoryQueue(clock), pass_time)
    account: StorageAccount = request.getfixturevalue("storage_account")
    name = f"t{uuid.uuid4().hex[:20]}"
    return Kit(account.documents(name), account.queue(name), poll)


def poll(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "The condition did not come true within 20 seconds."


@pytest.fixture(params=["memory", "azurite", "scratch"])
def documents(request: pytest.FixtureRequest) -> Iterator[Documents]:
    if request.param != "scratch":
        yield new_kit(request, request.param).documents
        return
    with scratch() as place:
        place("another").put("p", "a", {"not": "seen"}, None)
        yield place("documents")


@pytest.fixture
def queue(kit: Kit) -> Queue:
    return kit.queue


def names_of(documents: Documents, partition: str, **bounds: str) -> list[str]:
    return [document.name for document in documents.scan(partition, **bounds)]


def test_an_absent_document_is_none(documents: Documents) -> None:
    assert documents.get("p", "absent") is None


def test_a_document_comes_back_as_it_was_put(documents: Documents) -> None:
    body = {
        "text": 'Bjørn\'s "AS" & sønner\n',
        "empty": "",
        "looks_like_a_date": "2026-03-02T08:00:00Z",
        "zero": 0,
        "one": 1,
        "small": -(2**31),
        "large": 2**31,
        "largest": 2**63 - 1,
        "least": -(2**63),
        "share": 0.1,
        "whole_share": 5.0,
        "yes": True,
        "no": False,
    }
    version = documents.put("p", "n", body, None)
    found = documents.get("p", "n")
    assert found is not None
    assert (found.partition, found.name, found.version) == ("p", "n", version)
    assert dict(found.body) == body
    assert {k: type(v) for k, v in found.body.items()} == {k: type(v) for k, v in body.items()}


def test_creating_a_document_twice_is_a_conflict_and_keeps_the_first(documents: Documents) -> None:
    assert documents.put("p", "n", {"a": 1}, None) is not None
    assert documents.put("p", "n", {"a": 2}, None) is None
    assert documents.get("p", "n").body == {"a": 1}


def test_replacing_takes_the_current_version_and_gives_a_new_one(documents: Documents) -> None:
    first = documents.put("p", "n", {"a": 1, "gone": True}, None)
    second = documents.put("p", "n", {"a": 2}, first)
    assert second not in (None, first)
    assert documents.get("p", "n").body == {"a": 2}
    assert documents.get("p", "n").version == second


def test_replacing_with_an_old_version_is_a_conflict(documents: Documents) -> None:
    first = documents.put("p", "n", {"a": 1}, None)
    documents.put("p", "n", {"a": 2}, first)
    assert documents.put("p", "n", {"a": 3}, first) is None
    assert documents.get("p", "n").body == {"a": 2}


def test_replacing_a_deleted_document_is_a_conflict(documents: Documents) -> None:
    version = documents.put("p", "n", {"a": 1}, None)
    documents.delete("p", "n")
    assert documents.put("p", "n", {"a": 2}, version) is None
    assert documents.get("p", "n") is None


def test_a_document_made_anew_does_not_have_its_old_version(documents: Documents) -> None:
    old = documents.put("p", "n", {"a": 1}, None)
    documents.delete("p", "n")
    documents.put("p", "n", {"a": 1}, None)
    assert documents.put("p", "n", {"a": 2}, old) is None


def test_deleting_an_absent_document_is_fine(documents: Documents) -> None:
    documents.delete("p", "never")
    documents.put("p", "n", {}, None)
    documents.delete("p", "n")
    documents.delete("p", "n")
    assert documents.get("p", "n") is None


def test_get_many_leaves_out_absent_documents_and_other_partitions(documents: Documents) -> None:
    documents.put_all("p", [Put(f"n{i}", {"i": i}, None) for i in range(20)])
    documents.put("other", "n99", {"i": 99}, None)
    found = documents.get_many("p", ["n3", "n99", "n17", "absent"])
    assert {name: document.body["i"] for name, document in found.items()} == {"n3": 3, "n17": 17}
    assert documents.get_many("p", []) == {}


def test_a_transaction_writes_a_hundred_documents_and_gives_their_versions(
    documents: Documents,
) -> None:
    versions = documents.put_all("p", [Put(f"n{i:03}", {"i": i}, None) for i in range(100)])
    assert isinstance(versions, dict)
    assert len(versions) == 100
    again = documents.put_all("p", [Put(n, {"i": -1}, v) for n, v in versions.items()])
    assert isinstance(again, dict)
    found = documents.get_many("p", list(versions))
    assert {name: document.version for name, document in found.items()} == again
    assert {document.body["i"] for document in found.values()} == {-1}


def test_a_transaction_of_nothing_writes_nothing(documents: Documents) -> None:
    assert documents.put_all("p", []) == {}


@pytest.mark.parametrize("broken", ["exists", "changed", "deleted"])
@pytest.mark.parametrize("at", [0, 1, 3])
def test_a_failed_transaction_names_the_document_and_writes_nothing(
    documents: Documents, broken: str, at: int
) -> None:
    kept = documents.put("p", "bad", {"a": 1}, None)
    if broken == "exists":
        kept = None
    elif broken == "changed":
        documents.put("p", "bad", {"a": 2}, kept)
    else:
        documents.delete("p", "bad")
    before = documents.get("p", "bad")
    puts = [Put(f"good{i}", {}, None) for i in range(3)]
    puts.insert(at, Put("bad", {"a": 9}, kept))
    assert documents.put_all("p", puts) == "bad"
    assert names_of(documents, "p") == (["bad"] if before else [])
    assert documents.get("p", "bad") == before


def test_a_transaction_refuses_more_than_a_hundred_and_the_same_document_twice(
    documents: Documents,
) -> None:
    with pytest.raises(ValueError, match="Azure allows 100"):
        documents.put_all("p", [Put(f"n{i}", {}, None) for i in range(101)])
    with pytest.raises(ValueError, match="'n' twice"):
        documents.put_all("p", [Put("n", {}, None), Put("n", {}, None)])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"empty": None}, "NoneType"),
        ({"many": 2**63}, "64. Store it as text"),
        ({"long": "x" * 32769}, "32769 UTF-16 units"),
        ({"with-hyphen": 1}, "property name 'with-hyphen'"),
        ({"RowKey": "x"}, "reserves"),
        ({f"p{i}": i for i in range(253)}, "253 properties"),
    ],
)
def test_what_a_table_cannot_hold_is_refused_before_it_is_sent(
    documents: Documents, body: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        documents.put("p", "n", body, None)
    assert documents.get("p", "n") is None


def test_the_longest_text_fits(documents: Documents) -> None:
    documents.put("p", "n", {"long": "ø" * 32768}, None)
    assert documents.get("p", "n").body["long"] == "ø" * 32768


def test_awkward_names_come_back_and_keep_their_order(documents: Documents) -> None:
    partition = "Accounts/1 #?\\ .~\x01"
    for name in AWKWARD_NAMES:
        assert documents.put(partition, name, {"name": name}, None) is not None
    found = list(documents.scan(partition))
    assert [document.name for document in found] == sorted(AWKWARD_NAMES)
    assert {document.partition for document in found} == {partition}
    assert set(documents.get_many(partition, AWKWARD_NAMES)) == set(AWKWARD_NAMES)
    changed = documents.put_all(partition, [Put(d.name, {}, d.version) for d in found])
    assert set(changed) == set(AWKWARD_NAMES)
    for name in AWKWARD_NAMES:
        documents.delete(partition, name)
    assert names_of(documents, partition) == []


def test_a_name_that_is_too_long_is_refused(documents: Documents) -> None:
    with pytest.raises(ValueError, match="Use a hash"):
        documents.put("p", "n" * 513, {}, None)


def test_a_scan_takes_names_from_the_first_to_before_the_last(documents: Documents) -> None:
    for name in ("a", "a/1", "a/2", "a0", "b", "c"):
        documents.put("p", name, {}, None)
    documents.put("q", "b", {}, None)
    assert names_of(documents, "p", first="a/", last="a0") == ["a/1", "a/2"]
    assert names_of(documents, "p", first="b") == ["b", "c"]
    assert names_of(documents, "p", last="b") == ["a", "a/1", "a/2", "a0"]
    assert names_of(documents, "empty") == []


def test_a_scan_compares_every_kind_of_value(documents: Documents) -> None:
    body = {
        "text": "O'Brien' or true eq true",
        "zero": 0,
        "one": 1,
        "large": 2**40,
        "share": 0.5,
        "yes": True,
    }
    documents.put("p", "wanted", body, None)
    for index, name in enumerate(body):
        other = {**body, name: {"text": "x", "yes": False}.get(name, 7 + index)}
        documents.put("p", f"other-{name}", other, None)
    documents.put("p", "without", {}, None)
    assert [d.name for d in documents.scan("p", equals=body)] == ["wanted"]
    for name, value in body.items():
        found = {d.name for d in documents.scan("p", equals={name: value})}
        assert "wanted" in found
        assert found.isdisjoint({f"other-{name}", "without"})


def test_a_scan_compares_ten_properties_and_no_more(documents: Documents) -> None:
    body = {f"p{i}": i for i in range(11)}
    documents.put("p", "n", body, None)
    ten = {name: body[name] for name in list(body)[:10]}
    assert [d.name for d in documents.scan("p", first="a", last="z", equals=ten)] == ["n"]
    with pytest.raises(ValueError, match="10 is the most"):
        list(documents.scan("p", equals=body))


def test_a_message_comes_back_as_it_was_sent(queue: Queue) -> None:
    queue.send('{"rows": ["Ærø", "東京"]}')
    (message,) = queue.receive(32, 30)
    assert message.text == '{"rows": ["Ærø", "東京"]}'
    assert message.dequeue_count == 1


def test_an_empty_queue_gives_nothing(queue: Queue) -> None:
    assert queue.receive(32, 30) == []


def test_a_held_message_is_hidden_and_comes_again_after_its_hold(kit: Kit) -> None:
    kit.queue.send("m")
    (held,) = kit.queue.receive(1, 1)
    assert kit.queue.receive(32, 1) == []
    again: list[Received] = []
    kit.wait_until(lambda: bool(again_into(again, kit.queue)))
    assert (again[0].message_id, again[0].dequeue_count) == (held.message_id, 2)
    assert again[0].receipt != held.receipt


def again_into(found: list[Received], queue: Queue) -> list[Received]:
    found.extend(queue.receive(32, 30))
    return found


def test_a_delayed_message_is_invisible_until_its_time(kit: Kit) -> None:
    kit.queue.send("later", delay_seconds=1)
    kit.queue.send("much later", delay_seconds=7 * 24 * 3600)
    assert kit.queue.receive(32, 30) == []
    found: list[Received] = []
    kit.wait_until(lambda: bool(again_into(found, kit.queue)))
    assert [message.text for message in found] == ["later"]


def test_a_completed_message_never_comes_again_and_may_be_completed_twice(kit: Kit) -> None:
    kit.queue.send("m")
    (message,) = kit.queue.receive(1, 1)
    kit.queue.complete(message)
    kit.queue.complete(message)
    kit.queue.send("marker", delay_seconds=2)
    found: list[Received] = []
    kit.wait_until(lambda: bool(again_into(found, kit.queue)))
    assert [message.text for message in found] == ["marker"]


def test_who_lost_a_message_can_neither_renew_nor_complete_it(kit: Kit) -> None:
    kit.queue.send("m")
    (first,) = kit.queue.receive(1, 1)
    found: list[Received] = []
    kit.wait_until(lambda: bool(again_into(found, kit.queue)))
    assert kit.queue.renew(first, 30) is None
    kit.queue.complete(first)
    assert kit.queue.renew(found[0], 30) is not None


def test_renewing_makes_the_old_receipt_worthless(queue: Queue) -> None:
    queue.send("m")
    (first,) = queue.receive(1, 30)
    second = queue.renew(first, 30)
    assert second is not None
    assert (second.text, second.message_id) == (first.text, first.message_id)
    assert second.dequeue_count == 1
    assert queue.renew(first, 30) is None
    queue.complete(first)
    assert queue.renew(second, 30) is not None


def test_renewing_for_no_time_gives_the_message_back(queue: Queue) -> None:
    queue.send("m")
    (first,) = queue.receive(1, 30)
    assert queue.renew(first, 0) is not None
    (again,) = queue.receive(1, 30)
    assert again.dequeue_count == 2


def test_renewing_a_completed_message_is_none(queue: Queue) -> None:
    queue.send("m")
    (message,) = queue.receive(1, 30)
    queue.complete(message)
    assert queue.renew(message, 30) is None


def test_one_receive_brings_at_most_what_was_asked_for(queue: Queue) -> None:
    for index in range(5):
        queue.send(f"m{index}")
    first, second = queue.receive(3, 30), queue.receive(32, 30)
    assert (len(first), len(second)) == (3, 2)
    assert {message.text for message in first + second} == {f"m{i}" for i in range(5)}


@pytest.mark.parametrize("limit", [0, 33])
def test_a_receive_refuses_numbers_that_azure_refuses(queue: Queue, limit: int) -> None:
    with pytest.raises(ValueError, match="1 to 32"):
        queue.receive(limit, 30)


@pytest.mark.parametrize("seconds", [-1, 7 * 24 * 3600 + 1])
def test_a_delay_that_azure_refuses_is_refused(queue: Queue, seconds: float) -> None:
    with pytest.raises(ValueError, match="seven days"):
        queue.send("m", delay_seconds=seconds)


def test_the_longest_message_fits_and_a_longer_one_says_so(queue: Queue) -> None:
    longest = "ø" * (MESSAGE_LIMIT_BYTES // 2)
    queue.send(longest)
    (message,) = queue.receive(1, 30)
    assert message.text == longest
    with pytest.raises(MessageError, match="49154 bytes") as caught:
        queue.send(longest + "ø")
    assert caught.value.code == "message-too-large"


def test_the_length_counts_hidden_messages_too(queue: Queue) -> None:
    for _ in range(3):
        queue.send("m")
    queue.receive(1, 30)
    assert queue.length() == 3


def test_a_look_into_a_queue_shows_visible_messages_and_leaves_them_as_they_are(
    queue: Queue,
) -> None:
    for number in range(3):
        queue.send(f"ø{number}")
    queue.send("later", delay_seconds=60)
    queue.receive(1, 30)
    assert queue.peek(2) == ["ø1", "ø2"]
    assert queue.peek(1) == ["ø1"]
    assert [message.dequeue_count for message in queue.receive(32, 30)] == [1, 1]
    assert queue.peek(32) == []


def test_a_look_into_a_queue_shows_thirty_two_messages_at_most(queue: Queue) -> None:
    for number in range(34):
        queue.send(f"{number}")
    assert len(queue.peek(32)) == 32
    with pytest.raises(ValueError, match="1 to 32"):
        queue.peek(33)
