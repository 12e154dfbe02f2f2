"""What can be read from an answer of either service."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c.odata.answer import (
    Answer,
    describe,
    fault,
    is_html,
    retry_after_seconds,
    service_time,
)

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("17", 17),
        (" 0 ", 0),
        ("2.5", 2.5),
        ("-3", 0),
        ("Fri, 20 Nov 2026 08:00:30 GMT", 30),
        ("Fri, 20 Nov 2026 07:59:00 GMT", 0),
        ("Friday, 20-Nov-26 08:01:00 GMT", 60),
        ("Fri, 20 Nov 2026 08:00:30 -0000", 30),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_both_forms(text, seconds):
    assert retry_after_seconds({"retry-after": text}, NOW) == seconds


def test_an_absent_retry_after_is_none():
    assert retry_after_seconds({}, NOW) is None


@given(st.text())
def test_no_retry_after_can_break_the_reader(text):
    found = retry_after_seconds({"retry-after": text}, NOW)
    assert found is None or found >= 0


def test_the_error_of_dataverse_is_read_with_its_code_in_lower_case():
    found = fault(b'{"error":{"code":"0x8004ABCD","message":"No."}}')
    assert found is not None
    assert (found.code, found.words) == ("0x8004abcd", "No.")


def test_the_words_of_fno_are_those_of_the_inner_error():
    found = fault(b'{"error":{"code":"","message":"An error.","innererror":{"message":"Why."}}}')
    assert found is not None
    assert found.words == "Why."


@given(st.binary() | st.sampled_from([b"[]", b"null", b'{"error":1}', b'{"error":{"code":5}}']))
def test_no_body_can_break_the_reader_of_errors(body):
    found = fault(body)
    assert found is None or isinstance(found.words, str)


def test_deep_nesting_is_no_error_that_can_be_read():
    assert fault(b"[" * 200_000) is None


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", b""),
        ("Text/HTML; charset=utf-8", b"<!-- a --><html>"),
        ("", b"\xef\xbb\xbf \r\n<!DOCTYPE html>"),
        ("text/plain", b"<HTML>"),
    ],
)
def test_a_page_for_people_is_recognised(content_type, body):
    assert is_html(Answer(502, {"content-type": content_type}, body))


def test_plain_text_is_no_page_whatever_it_is_declared_as():
    assert not is_html(Answer(404, {"content-type": "text/html"}, b"No HTTP resource was found."))


def test_a_page_for_people_is_named_but_not_quoted():
    answer = Answer(502, {}, b"<html>secret")
    assert describe(answer) == ("an HTML page was returned instead of an answer of the service")


def test_a_body_of_unknown_form_is_not_quoted():
    said = describe(Answer(500, {}, b"secret"))
    assert said == "a body of 6 bytes without an error description"


def test_the_words_of_a_service_are_cut_to_256_characters():
    body = b'{"error":{"code":"","message":"' + b"x" * 10_000 + b'"}}'
    assert len(describe(Answer(400, {}, body))) == 256


@pytest.mark.parametrize("name", ["x-ms-service-request-id", "req_id", "ms-dyn-aid"])
def test_the_request_id_is_found_under_the_names_of_both_services(name):
    assert Answer(200, {name: "abc"}, b"").request_id == "abc"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Mon, 02 Mar 2026 08:00:00 GMT", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("Mon, 02 Mar 2026 08:00:00 -0000", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("soon", None),
        ("", None),
    ],
)
def test_the_time_of_the_service_is_read_from_its_header(text, moment):
    assert service_time({"date": text} if text else {}) == moment
