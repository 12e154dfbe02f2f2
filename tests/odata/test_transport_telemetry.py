"""What is told of requests: each once, by service and status, and never by the row it is about."""

from collections.abc import Iterator

import pytest

from p2c.errors import P2cError, UnavailableError
from p2c.fno import FnoClient
from p2c.model import RecordKey, Update
from p2c.odata.meter import Meter
from p2c.odata.transport import Limits, Transport
from p2c.telemetry import Kind
from p2c.telemetry.metrics import OPERATIONS, REQUESTS, THROTTLED
from tests.support.canned_server import (
    CannedServer,
    Reply,
    StillClock,
    Tokens,
    change_set,
    error_reply,
    json_reply,
    multipart_reply,
)
from tests.support.recording import RecordingTelemetry

OK = json_reply({"value": []})
FNO = {"service": "fno"}


@pytest.fixture
def told() -> RecordingTelemetry:
    return RecordingTelemetry()


@pytest.fixture
def transport(server: CannedServer, told: RecordingTelemetry) -> Iterator[Transport]:
    limits = Limits(connect_seconds=0.3, read_seconds=0.3)
    with Transport(
        "fno",
        server.url,
        Tokens(),
        Meter(),
        StillClock(),
        limits=limits,
        jitter=lambda: 1.0,
        telemetry=told,
    ) as made:
        yield made


def read(transport: Transport) -> None:
    url = f"{transport.root}/data/Set(A='ACC-1',B='x')/Part?$filter=Name%20eq%20'Kari'"
    transport.read(url, {})


def write(transport: Transport, **options: float) -> None:
    url = f"{transport.root}/data/$batch?cross-company=true"
    transport.write("POST", url, {}, b"Kari", operations=3, **options)


def test_a_request_is_a_span_that_names_the_entity_and_not_the_record(transport, server, told):
    server.play(Reply(200, {**OK.headers, "request-id": "r-1"}, OK.body))
    read(transport)
    (span,) = told.spans
    host, _, port = server.url.removeprefix("http://").partition(":")
    assert (span.name, span.kind, span.failed) == ("GET fno", Kind.CLIENT, "")
    assert span.attributes == {
        "service": "fno",
        "http.request.method": "GET",
        "url.full": f"{server.url}/data/Set",
        "server.address": host,
        "server.port": int(port),
        "operations": 1,
        "http.response.status_code": 200,
        "request_id": span.attributes["request_id"],
    }
    assert told.of(REQUESTS) == [(1, {**FNO, "status": "200"})]
    assert told.of(OPERATIONS) == [(1, FNO)]
    assert told.of(THROTTLED) == []


def test_every_repeat_is_told(transport, server, told):
    server.play(error_reply(503, "", "Kari"), Reply(breakage="reset"), OK)
    read(transport)
    statuses = [given["status"] for _, given in told.of(REQUESTS)]
    assert statuses == ["503", "none", "200"]
    assert told.spans[0].failed == "503"
    assert "Kari" not in str(told.spans)


def test_a_request_that_is_too_much_is_told_as_throttled(transport, server, told):
    server.play(error_reply(429, "", "too much"))
    with pytest.raises(P2cError):
        write(transport)
    assert told.of(THROTTLED) == [(1, {**FNO, "of": "request"})]
    assert told.of(OPERATIONS) == [(3, FNO)]


def test_parts_of_a_batch_that_are_too_much_are_told(transport, server, told):
    parts = [change_set(1, 204), change_set(2, 429), change_set(3, 429), change_set(4, 500)]
    server.play(multipart_reply(parts))
    key = RecordKey("CustomersV2", (("dataAreaId", "usmf"), ("CustomerAccount", "A")))
    operations = [Update(key, {"OrganizationName": "A"})] * 4
    FnoClient(transport, "usmf").write(operations, send_before=2_000)
    assert told.of(THROTTLED) == [(2, {**FNO, "of": "operation"})]
    assert told.of(OPERATIONS) == [(4, FNO)]


def test_what_was_not_sent_is_not_told(transport, told):
    with pytest.raises(UnavailableError, match="its time was over"):
        write(transport, send_before=0)
    assert told.values == []


def test_a_token_that_was_refused_costs_two_requests(transport, server, told):
    server.play(error_reply(401, "", "no"), OK)
    read(transport)
    assert [given["status"] for _, given in told.of(REQUESTS)] == ["401", "200"]
