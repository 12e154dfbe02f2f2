"""What may travel on a queue, and what is said of a message that nobody can read."""

import json
import uuid

import pytest

from p2c.errors import MessageError
from p2c.sync.messages import (
    ROWS_PER_MESSAGE,
    EnumerateMessage,
    Message,
    RowsMessage,
    put_together,
    read_message,
    row_id,
)

GUID = "0b1c2d3e-0000-4000-8000-00000000abcd"
ROWS = {"kind": "rows", "template": "accounts", "execution": "e", "task": "t", "rows": [GUID]}
ENUMERATE = {"kind": "enumerate", "template": "accounts", "execution": "e"}
SECRET = "Kari Nordmann"
# https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger
TRIGGER_METADATA = {
    "id",
    "dequeuecount",
    "expirationtime",
    "insertiontime",
    "nextvisibletime",
    "popreceipt",
    "queuetrigger",
}


def without(message: dict[str, object], name: str) -> str:
    return json.dumps({key: value for key, value in message.items() if key != name})


@pytest.mark.parametrize(
    "message",
    [
        RowsMessage(template="accounts", execution="e", task="t", rows=(GUID,)),
        RowsMessage(
            template="contacts",
            execution="e",
            task="Contacts & people",
            rows=(GUID, GUID.replace("a", "b")),
            verify=True,
            force=True,
            generation=7,
            attempt=3,
            rounds=2,
        ),
        EnumerateMessage(template="accounts", execution="e"),
        EnumerateMessage(
            template="accounts", execution="e", rows=(GUID,), everything=True, force=True, rounds=1
        ),
    ],
    ids=lambda message: message.kind,
)
def test_a_message_reads_back_as_it_was_written(message: Message):
    assert read_message(message.model_dump_json()) == message


@pytest.mark.parametrize("kind", [RowsMessage, EnumerateMessage])
def test_no_property_has_a_name_that_the_functions_host_overwrites(kind: type[Message]):
    names = {name.casefold() for name in kind.model_fields}
    assert "kind" in names
    assert not names & TRIGGER_METADATA


@pytest.mark.parametrize(
    ("text", "place", "finding"),
    [
        ("", "the message", "Invalid JSON: EOF while parsing a value at line 1 column 0"),
        (SECRET, "the message", "Invalid JSON: expected value at line 1 column 1"),
        ("[]", "the message", "Input should be an object"),
        (f'"{SECRET}"', "the message", "Input should be an object"),
        ("{}", "the message", "Unable to extract tag using discriminator 'kind'"),
        (json.dumps({"kind": SECRET}), "the message", "Its kind is not known here"),
        (without(ROWS, "template"), "rows.template", "Field required"),
        (without(ROWS, "execution"), "rows.execution", "Field required"),
        (without(ROWS, "task"), "rows.task", "Field required"),
        (without(ROWS, "rows"), "rows.rows", "Field required"),
        (without(ENUMERATE, "template"), "enumerate.template", "Field required"),
        (
            json.dumps({**ROWS, "template": ""}),
            "rows.template",
            "String should have at least 1 character",
        ),
        (
            json.dumps({**ROWS, "task": SECRET * 16}),
            "rows.task",
            "String should have at most 200 characters",
        ),
        (
            json.dumps({**ROWS, "rows": []}),
            "rows.rows",
            "Tuple should have at least 1 item after validation, not 0",
        ),
        (
            json.dumps({**ROWS, "rows": [GUID] * (ROWS_PER_MESSAGE + 1)}),
            "rows.rows",
            "Tuple should have at most 96 items after validation, not 97",
        ),
        (
            json.dumps({**ROWS, "rows": [GUID, SECRET]}),
            "rows.rows.1",
            "String should match pattern "
            "'^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'",
        ),
        (
            json.dumps({**ROWS, "rows": [GUID.upper()]}),
            "rows.rows.0",
            "String should match pattern "
            "'^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'",
        ),
        (
            json.dumps({**ROWS, "force": SECRET}),
            "rows.force",
            "Input should be a valid boolean, unable to interpret input",
        ),
        (
            json.dumps({**ROWS, "attempt": -1}),
            "rows.attempt",
            "Input should be greater than or equal to 0",
        ),
        (
            json.dumps({**ENUMERATE, "rows": [GUID] * 1001}),
            "enumerate.rows",
            "Tuple should have at most 1000 items after validation, not 1001",
        ),
        (
            json.dumps({**ROWS, SECRET: "x"}),
            "rows",
            "It has a property that is not known here",
        ),
        (
            json.dumps({**ENUMERATE, "task": SECRET}),
            "enumerate",
            "It has a property that is not known here",
        ),
    ],
)
def test_a_broken_message_is_described_without_a_word_of_it(text: str, place: str, finding: str):
    with pytest.raises(MessageError) as caught:
        read_message(text)
    assert caught.value.code == "message-invalid"
    assert caught.value.message == (
        f"A queue message of {len(text)} characters cannot be read: at {place}: {finding}. "
        "Expected a JSON object of kind 'rows' or 'enumerate' as p2c writes it. Remove the "
        "sender, or start a resync instead of writing to the queue."
    )
    assert SECRET not in str(caught.value)


def test_the_finding_of_a_long_foreign_message_stays_short():
    with pytest.raises(MessageError) as caught:
        read_message(json.dumps({**ROWS, "x" * 40_000: 1}))
    assert len(caught.value.message) < 500


@pytest.mark.parametrize(
    "text",
    [GUID, GUID.upper(), f"{{{GUID}}}", f"  {GUID}\n"],
)
def test_a_row_id_is_taken_in_every_form_that_people_paste(text: str):
    assert row_id(text) == GUID


@pytest.mark.parametrize("text", ["", "ACC-01000", GUID[:-1], f"{GUID}0", GUID.replace("-", "")])
def test_what_is_no_guid_is_no_row_id(text: str):
    assert row_id(text) is None


def test_messages_of_one_kind_are_put_together_up_to_the_most_that_fit():
    def message(*numbers, **parts):
        rows = tuple(str(uuid.UUID(int=number)) for number in numbers)
        given = {"template": "a", "task": "t", "execution": f"e{len(numbers)}", **parts}
        return RowsMessage(**given, rows=rows)

    request = EnumerateMessage(template="a", execution="e")
    given = [message(*range(60)), message(1, 2, force=True), request, message(*range(50, 110))]
    found = list(put_together(given))
    assert found[0] == request
    assert [(len(named.rows), named.force) for named in found[1:]] == [
        (ROWS_PER_MESSAGE, False),
        (110 - ROWS_PER_MESSAGE, False),
        (2, True),
    ]
    assert len({row for named in found[1:3] for row in named.rows}) == 110
