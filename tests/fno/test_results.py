"""What F&O's answer to one write means."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c.fno.results import result_of
from p2c.model import Create, PartResult, Reason, RecordKey, Update, Written
from p2c.odata.answer import Answer

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
KEY = RecordKey("CustomersV2", (("dataAreaId", "usmf"), ("CustomerAccount", "A")))
CREATE, UPDATE = Create(KEY, {}), Update(KEY, {"OrganizationName": "A"})
NOT_FOUND = "No resources were found when selecting for update."
REFERENCE = (
    "Write failed for table row of type 'CustCustomerV2Entity'. Infolog: Warning: The value "
    "'Local' in field 'Customer group' is not found in the related table 'Customer groups'."
)


def answer(status: int, said: str = "", **headers: str) -> Answer:
    error = {"code": "", "message": "An error has occurred.", "innererror": {"message": said}}
    named = {name.replace("_", "-").lower(): text for name, text in headers.items()}
    return Answer(status, named, json.dumps({"error": error}).encode())


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_success_is_done_without_a_reason(status):
    assert result_of(CREATE, Answer(status, {}, b""), NOW) == PartResult(Written.DONE)


def test_a_missing_answer_is_unknown():
    assert result_of(CREATE, None, NOW) == PartResult(
        Written.UNKNOWN,
        Reason("answer-missing", "F&O's answer has no readable part for this record."),
    )


@pytest.mark.parametrize("status", [400, 500])
def test_a_reason_has_fnos_own_words_and_what_to_do(status):
    assert result_of(CREATE, answer(status, REFERENCE), NOW) == PartResult(
        Written.MISSING_REFERENCE,
        Reason(
            "reference-missing",
            "F&O: Warning: The value 'Local' in field 'Customer group' is not found in the related "
            "table 'Customer groups'. Create the value in the related table of F&O or correct it "
            "in Sales, then retry.",
        ),
    )


@pytest.mark.parametrize(
    "reply", [answer(400, NOT_FOUND), answer(500, NOT_FOUND), answer(404), Answer(404, {}, b"")]
)
def test_an_update_of_a_record_that_is_not_there_is_absent(reply):
    assert result_of(UPDATE, reply, NOW).written is Written.ABSENT


@pytest.mark.parametrize(
    "reply", [answer(404, "No HTTP resource"), Answer(404, {"content-type": "text/html"}, b"No.")]
)
def test_a_creation_in_an_entity_that_is_not_there_is_refused(reply):
    found = result_of(CREATE, reply, NOW)
    assert found.written is Written.REFUSED
    assert found.reason is not None
    assert found.reason.code == "entity-unknown"


def test_a_page_with_404_proves_no_absence():
    page = Answer(404, {"content-type": "text/html"}, b"<html>")
    assert result_of(UPDATE, page, NOW).written is Written.UNKNOWN


def test_throttling_is_known_by_its_words_at_any_status():
    said = "due to system experiencing high resource utilization. Please retry"
    found = result_of(CREATE, answer(503, said, Retry_After="12"), NOW)
    assert (found.written, found.retry_after_seconds) == (Written.THROTTLED, 12)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "12"}, 12),
        ({"Retry_After": "Fri, 20 Nov 2026 08:00:05 GMT"}, 5),
        ({}, None),
    ],
)
def test_a_throttled_part_says_when_to_come_back(headers, seconds):
    found = result_of(CREATE, answer(429, "", **headers), NOW)
    assert (found.written, found.retry_after_seconds) == (Written.THROTTLED, seconds)
    assert found.reason is not None
    assert found.reason.code == "throttled"


@pytest.mark.parametrize(
    "reply",
    [
        Answer(500, {}, b""),
        Answer(500, {}, b'{"error":{"code":"","message":"An error has occurred."}}'),
        Answer(502, {"content-type": "text/html"}, b"<html>"),
        Answer(503, {}, b"Service Unavailable"),
        Answer(400, {}, b""),
        Answer(400, {"content-type": "text/html"}, b"<html>"),
        Answer(400, {}, b'{"error":{"code":"","mess'),
        Answer(408, {}, b'{"error":{"code":"","message":"Timeout"}}'),
        Answer(302, {}, b""),
    ],
)
def test_an_answer_that_does_not_say_what_became_of_the_record_is_unknown(reply):
    found = result_of(CREATE, reply, NOW)
    assert found.written is Written.UNKNOWN
    assert found.reason is not None
    assert found.reason.code == "answer-unknown"


@pytest.mark.parametrize(("status", "code"), [(401, "session-ended"), (412, "update-conflict")])
def test_what_was_not_written_but_passes_is_a_conflict(status, code):
    found = result_of(UPDATE, Answer(status, {}, b""), NOW)
    assert found.written is Written.CONFLICT
    assert found.reason is not None
    assert found.reason.code == code


@pytest.mark.parametrize("status", [400, 500])
def test_unknown_words_are_a_refusal_that_quotes_them(status):
    found = result_of(UPDATE, answer(status, "Something new."), NOW)
    told = "F&O: Something new. Correct what F&O names, then retry."
    assert found == PartResult(Written.REFUSED, Reason("record-refused", told))


def test_fnos_words_are_cut_before_the_advice():
    found = result_of(UPDATE, answer(400, "Error: " + "x" * 5_000), NOW)
    assert found.reason is not None
    assert len(found.reason.text) < 320
    assert found.reason.text.endswith("then retry.")


BODIES = st.binary(max_size=50) | st.builds(
    lambda text: json.dumps({"error": {"message": text, "innererror": {"message": text}}}).encode(),
    st.text(),
)


@given(st.integers(100, 599), st.sampled_from(["text/html", "application/json", ""]), BODIES)
def test_no_answer_can_break_the_reader_and_only_a_success_is_done(status, kind, body):
    for operation in (CREATE, UPDATE):
        found = result_of(operation, Answer(status, {"content-type": kind}, body), NOW)
        assert (found.written is Written.DONE) == (200 <= status < 300)
        assert (found.reason is None) == (found.written is Written.DONE)
