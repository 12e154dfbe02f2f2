"""Multipart batches: written for the services, and their answers matched to requests."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from p2c.odata.batch import BatchRequest, content_type, read_batch, write_batch
from p2c.odata.multipart import MultipartError, read_groups

TYPE = "multipart/mixed; boundary=b"
POST = BatchRequest("POST", "https://e/data/Set", {"Content-Type": "application/json"}, b'{"a":1}')
GET = BatchRequest("GET", "https://e/data/Set")


def answer(status: int, *, content_id: str = "", body: str = "") -> str:
    named = f"Content-ID: {content_id}\r\n" if content_id else ""
    return (
        f"Content-Type: application/http\r\n{named}\r\n"
        f"HTTP/1.1 {status} Words\r\nOData-Version: 4.0\r\n\r\n{body}"
    )


def change_set(*answers: str, boundary: str = "c") -> str:
    inner = "".join(f"--{boundary}\r\n{text}\r\n" for text in answers)
    return f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n{inner}--{boundary}--"


def body(*sections: str) -> bytes:
    return ("".join(f"--b\r\n{section}\r\n" for section in sections) + "--b--\r\n").encode()


def statuses(content: bytes, count: int, kind: str = TYPE) -> list[int | None]:
    found = read_batch(kind, content, count)
    return [None if part is None else part.status for part in found]


def test_each_write_is_a_change_set_of_its_own_and_a_read_is_in_none():
    written = write_batch([POST, GET, POST], "B")
    assert written.count(b"Content-Type: multipart/mixed; boundary=changeset_") == 2
    assert re.findall(rb"Content-ID: (\d)", written) == [b"1", b"3"]


def test_every_line_of_a_batch_ends_in_crlf():
    written = write_batch([POST, GET], "B")
    assert written.count(b"\n") == written.count(b"\r\n") > 10


def test_a_read_is_followed_by_a_blank_line():
    assert b"GET https://e/data/Set HTTP/1.1\r\n\r\n" in write_batch([GET], "B")


def test_a_written_batch_reads_as_the_multipart_standard_says():
    written = write_batch([POST], "B")
    lines = written.decode().split("\r\n")
    assert lines == [
        "--B",
        "Content-Type: multipart/mixed; boundary=changeset_1_B",
        "",
        "--changeset_1_B",
        "Content-Type: application/http",
        "Content-Transfer-Encoding: binary",
        "Content-ID: 1",
        "",
        "POST https://e/data/Set HTTP/1.1",
        "Content-Type: application/json",
        "",
        '{"a":1}',
        "--changeset_1_B--",
        "--B--",
        "",
    ]
    assert content_type("B") == "multipart/mixed; boundary=B"


@pytest.mark.parametrize(
    "request_",
    [
        BatchRequest("GET", "https://e/x HTTP/1.1\r\nHost: evil"),
        BatchRequest("GET", "https://e/", {"A": "b\nc"}),
    ],
)
def test_no_line_can_be_smuggled_into_a_batch(request_):
    with pytest.raises(ValueError, match="line end"):
        write_batch([request_], "B")


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="without requests"):
        write_batch([], "B")


def test_answers_are_matched_by_content_id_whatever_their_order():
    content = body(change_set(answer(204, content_id="2")), change_set(answer(201, content_id="1")))
    assert statuses(content, 2) == [201, 204]


def test_an_error_without_content_id_belongs_to_its_place():
    content = body(
        change_set(answer(201, content_id="1")),
        answer(400),
        change_set(answer(204, content_id="3")),
    )
    assert statuses(content, 3) == [201, 400, 204]


def test_answers_without_any_content_id_are_matched_by_order():
    assert statuses(body(answer(200), answer(404)), 2) == [200, 404]


def test_a_missing_answer_is_reported_as_missing():
    content = body(change_set(answer(201, content_id="1")), change_set(answer(204, content_id="3")))
    assert statuses(content, 3) == [201, None, 204]


def test_an_error_without_content_id_is_not_placed_when_an_answer_is_missing():
    content = body(change_set(answer(201, content_id="1")), answer(400))
    assert statuses(content, 3) == [201, None, None]


def test_an_error_without_content_id_is_not_placed_among_answers_out_of_order():
    content = body(
        change_set(answer(201, content_id="3")),
        answer(400),
        change_set(answer(204, content_id="1")),
    )
    assert statuses(content, 3) == [204, None, 201]


def test_a_content_id_that_came_twice_tells_nothing():
    content = body(change_set(answer(201, content_id="1")), change_set(answer(400, content_id="1")))
    assert statuses(content, 2) == [None, None]


@pytest.mark.parametrize("content_id", ["0", "3", "x", "-1", "1" * 5000, "\u0661"])
def test_a_content_id_that_names_no_request_is_left_out(content_id):
    content = body(answer(201, content_id=content_id), answer(204, content_id="2"))
    assert statuses(content, 2) == [None, 204]


def test_more_answers_than_requests_are_not_guessed_at():
    assert statuses(body(answer(200), answer(200)), 1) == [None]


def test_a_change_set_may_hold_several_answers():
    content = body(change_set(answer(201, content_id="1"), answer(204, content_id="2")))
    assert statuses(content, 2) == [201, 204]


def test_the_content_id_may_stand_on_the_answer_itself():
    section = (
        "Content-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\nContent-ID: 1\r\n\r\n"
    )
    assert statuses(body(section, answer(200, content_id="2")), 2) == [204, 200]


def test_the_body_of_an_answer_is_exact():
    text = '{"error":{"message":"a\\r\\n--b"}}'
    found = read_batch(TYPE, body(answer(400, content_id="1", body=text)), 1)[0]
    assert found is not None
    assert found.body.decode() == text
    assert found.headers["odata-version"] == "4.0"


@pytest.mark.parametrize("text", ["see --b", "a\r\n--b is text\r\n--bb\r\n --b--\r\nc"])
def test_a_boundary_within_other_text_is_none(text):
    found = read_batch(TYPE, body(answer(400, content_id="1", body=text)), 1)[0]
    assert found is not None
    assert found.body.decode() == text


@pytest.mark.parametrize(
    "kind", ['Multipart/Mixed; BOUNDARY="b"', "multipart/mixed;boundary = b;x"]
)
def test_the_boundary_is_found_in_any_spelling(kind):
    assert statuses(body(answer(200)), 1, kind) == [200]


def test_line_feeds_alone_and_odd_case_are_read():
    content = body(change_set(answer(201, content_id="1"))).decode()
    changed = content.replace("\r\n", "\n").replace("Content-ID", "CONTENT-id ")
    assert statuses(changed.encode(), 1) == [201]


def test_blanks_after_a_boundary_and_text_around_the_parts_are_skipped():
    content = b"preamble\r\n" + body(answer(200)).replace(b"--b\r\n", b"--b \t\r\n") + b"epilogue"
    assert statuses(content, 1) == [200]


def test_what_follows_the_last_boundary_is_no_answer():
    content = body(answer(200, content_id="1")) + body(answer(400, content_id="2"))
    assert statuses(content, 2) == [200, None]


def test_a_boundary_that_begins_like_another_is_not_taken_for_it():
    content = body(change_set(answer(201, content_id="1"), boundary="bb"))
    assert statuses(content, 1) == [201]


def test_a_part_cut_off_before_its_boundary_is_missing():
    content = body(answer(200, content_id="1"), answer(200, content_id="2", body='{"a":1}'))
    assert statuses(content[: -len(b"}\r\n--b--\r\n")], 2) == [200, None]


def test_a_change_set_cut_off_is_missing_and_harms_no_other():
    whole = change_set(answer(201, content_id="1"))
    content = body(whole.removesuffix("\r\n--c--"), change_set(answer(204, content_id="2")))
    assert statuses(content, 2) == [None, 204]


def test_a_garbled_part_is_missing_and_harms_no_other():
    content = body("\x00\x01 garbage", answer(200))
    assert statuses(content, 2) == [None, 200]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (TYPE, b""),
        (TYPE, b'{"error":{}}'),
        (TYPE, b"--b--"),
        (TYPE, b"--b\r\nnothing\r\n--b--"),
        ("application/json", body(answer(200))),
        ('multipart/mixed; boundary=""', body(answer(200))),
        ("multipart/mixed; boundary=" + "b" * 500, body(answer(200))),
        ("", b""),
    ],
)
def test_what_is_no_batch_answer_is_an_error(kind, content):
    with pytest.raises(MultipartError):
        read_batch(kind, content, 1)


PIECES = st.sampled_from(
    [
        b"--b", b"--b--", b"--c", b"--c--", b"\r\n", b"\n", b"\r", b" ", b":", b"\x00", b"\xff",
        b"Content-Type: multipart/mixed; boundary=c", b"Content-Type: multipart/mixed",
        b"Content-Type: application/http", b"Content-ID: 1", b"Content-ID: 2",
        b"HTTP/1.1 204 No Content", b"HTTP/1.1 400 Bad", b"HTTP/1.1", b"{}",
    ]
)  # fmt: skip


@given(st.sampled_from([TYPE, "multipart/mixed", ""]), st.lists(PIECES | st.binary(max_size=3)))
@example(TYPE, [b"--b\r\n\r\n--b--"])
def test_reading_raises_nothing_but_its_own_error(kind, pieces):
    try:
        found = read_batch(kind, b"".join(pieces), 2)
    except MultipartError:
        return
    assert len(found) == 2


@given(st.lists(st.integers(200, 599), min_size=1, max_size=6), st.data())
def test_an_answer_cut_anywhere_never_gains_or_changes_a_status(codes, data):
    sections = [
        change_set(answer(code, content_id=str(number), body="{}"))
        for number, code in enumerate(codes, start=1)
    ]
    whole = body(*sections)
    cut = data.draw(st.integers(0, len(whole)))
    try:
        found = statuses(whole[:cut], len(codes))
    except MultipartError:
        return
    assert all(status in (None, code) for status, code in zip(found, codes, strict=True))


def test_an_answer_without_headers_keeps_its_body():
    section = "Content-Type: application/http\r\n\r\nHTTP/1.1 400 Bad\r\n\r\n{}"
    found = read_batch(TYPE, body(section), 1)[0]
    assert found is not None
    assert (found.headers, found.body) == ({}, b"{}")


def test_a_part_without_headers_of_its_own_is_read():
    assert statuses(body("\r\nHTTP/1.1 204 No Content\r\n\r\n"), 1) == [204]


def test_groups_keep_their_places_when_one_cannot_be_read():
    groups = read_groups(TYPE, body("garbage", answer(200)))
    assert [len(group) for group in groups] == [0, 1]
