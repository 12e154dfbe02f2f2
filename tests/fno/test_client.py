"""The F&O client against prepared answers: what it sends and what it makes of them."""

import json
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from p2c.errors import (
    AnswerUnknownError,
    P2cError,
    ServiceRefusedError,
    ThrottledError,
    UnavailableError,
)
from p2c.fno import FnoClient
from p2c.model import Create, PartResult, RecordKey, Update, Written
from p2c.odata.meter import Meter
from p2c.odata.transport import Limits, Transport
from p2c.sync.ports import Destination
from tests.support.canned_server import (
    CannedServer,
    Reply,
    StillClock,
    Tokens,
    change_set,
    error_reply,
    html_reply,
    infolog_reply,
    json_reply,
    multipart_reply,
)

LATER = 1e9
METADATA = b"""<?xml version="1.0" encoding="utf-8"?>
<Edmx><Schema>
<EntityType Name="Group"><Key><PropertyRef Name="dataAreaId"/><PropertyRef Name="Id"/></Key>
<Property Name="dataAreaId" Type="Edm.String"/><Property Name="Id" Type="Edm.String"/></EntityType>
<EntityContainer><EntitySet Name="Groups" EntityType="N.Group"/></EntityContainer>
</Schema></Edmx>"""


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture
def client(server: CannedServer, meter: Meter) -> Iterator[FnoClient]:
    limits = Limits(connect_seconds=1, read_seconds=1)
    transport = Transport("fno", server.url, Tokens(), meter, StillClock(), limits=limits)
    with transport:
        yield FnoClient(transport, "usmf")


def key(account: str) -> RecordKey:
    return RecordKey("CustomersV2", (("dataAreaId", "usmf"), ("CustomerAccount", account)))


def create(account: str, **values) -> Create:
    return Create(key(account), values)


def update(account: str, **values) -> Update:
    return Update(key(account), values or {"OrganizationName": "A"})


def options(path: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(path).query)


def caught(call) -> P2cError:
    with pytest.raises(P2cError) as found:
        call()
    return found.value


def written(results: list[PartResult]) -> list[Written]:
    return [result.written for result in results]


def test_the_client_is_a_destination(client):
    destination: Destination = client
    assert callable(destination.find)
    assert callable(destination.write)


class TestFind:
    def test_records_of_the_legal_entity_are_found_by_a_field(self, client, server):
        server.play(
            json_reply({"value": [{"CustomerAccount": "A", "CreditLimit": Decimal("1.10")}]})
        )
        found = client.find("CustomersV2", "CustomerAccount", ["A", "O'B"], ["CreditLimit"])
        assert found == [{"CustomerAccount": "A", "CreditLimit": Decimal("1.10")}]
        assert urlsplit(server.received[0].path).path == "/data/CustomersV2"
        assert options(server.received[0].path) == {
            "cross-company": ["true"],
            "$select": ["CustomerAccount,CreditLimit"],
            "$filter": [
                "dataAreaId eq 'usmf' and (CustomerAccount eq 'A' or CustomerAccount eq 'O''B')"
            ],
        }

    def test_no_values_need_no_request(self, client, server):
        assert client.find("CustomersV2", "CustomerAccount", [], []) == []
        assert server.received == []

    def test_what_is_no_text_is_not_asked_for(self, client, server):
        server.play(json_reply({"value": []}))
        client.find("CustomersV2", "F", ["a", "\ud800"], [])
        assert "(F eq 'a')" in options(server.received[0].path)["$filter"][0]

    def test_a_wildcard_is_refused(self, client, server):
        with pytest.raises(ValueError, match="wildcard"):
            client.find("CustomersV2", "CustomerAccount", ["A", "*"], [])
        assert server.received == []

    def test_many_values_become_few_requests_with_bounded_urls(self, client, server):
        values = [f"ACC-{number:05}-BVRCPS" for number in range(300)]
        server.play(*[json_reply({"value": []})] * 10)
        client.find("CustomersV2", "CustomerAccount", [*values, *values], [])
        lengths = [len(server.url + request.path) for request in server.received]
        assert max(lengths) <= 8_000
        assert len(lengths) == 2
        asked = "".join(options(request.path)["$filter"][0] for request in server.received)
        assert all(asked.count(f"'{value}'") == 1 for value in values)

    def test_a_filter_that_fno_finds_too_long_is_halved(self, client, server):
        refusal = infolog_reply(400, "The node count limit of '100' has been exceeded.")

        def limited(request):
            terms = options(request.path)["$filter"][0].split(" or ")
            found = [{"F": term.split("'")[-2]} for term in terms]
            return json_reply({"value": found}) if len(terms) <= 2 else refusal

        server.play(*[limited] * 20)
        for requests_so_far in (5, 8):  # 5, 3, 2, 1 and 2 terms; then 2, 2 and 1
            found = client.find("CustomersV2", "F", list("abcde"), [])
            assert [record["F"] for record in found] == list("abcde")
            assert len(server.received) == requests_so_far

    def test_pages_are_followed(self, client, server):
        link = f"{server.url}/data/CustomersV2?cross-company=true&$skiptoken=2"
        server.play(
            json_reply({"value": [{"F": "a"}], "@odata.nextLink": link}),
            json_reply({"value": [{"F": "b"}]}),
        )
        assert client.find("CustomersV2", "F", ["a", "b"], []) == [{"F": "a"}, {"F": "b"}]

    @pytest.mark.parametrize(
        "link", ["https://evil.example/data/CustomersV2", "/data/CustomersV2", "{url}/elsewhere"]
    )
    def test_a_page_of_another_host_is_not_followed(self, client, server, link):
        link = link.format(url=server.url)
        server.play(json_reply({"value": [], "@odata.nextLink": link}))
        error = caught(lambda: client.find("CustomersV2", "F", ["a"], []))
        assert error.code == "link-foreign"
        assert len(server.received) == 1

    @pytest.mark.parametrize(
        ("reply", "kind", "code", "told"),
        [
            (
                infolog_reply(400, "Could not find a property named 'F'."),
                ServiceRefusedError,
                "request-refused",
                "fno refused finding records of CustomersV2 by F with 400: Could not find a "
                "property named 'F'. Compare the data entities and fields of the template with "
                "those of this F&O.",
            ),
            (
                error_reply(404, "", "No HTTP resource was found."),
                ServiceRefusedError,
                "not-found",
                "fno refused finding records of CustomersV2 by F with 404: No HTTP resource was "
                "found. Compare the data entities and fields of the template with those of this "
                "F&O.",
            ),
            (
                error_reply(403, "", "Forbidden"),
                ServiceRefusedError,
                "privilege-missing",
                "fno refused finding records of CustomersV2 by F with 403: Forbidden. Map p2c's "
                "identity to an F&O user (Microsoft Entra applications) whose roles allow this "
                "data entity.",
            ),
            (
                infolog_reply(500, "Object reference not set."),
                UnavailableError,
                "service-unavailable",
                "fno failed at finding records of CustomersV2 by F with 500: Object reference not "
                "set.",
            ),
            (
                error_reply(500, "", "due to system experiencing high resource utilization."),
                ThrottledError,
                "throttled",
                "fno failed at finding records of CustomersV2 by F with 500: due to system "
                "experiencing high resource utilization.",
            ),
            (
                Reply(200, {}, b"{"),
                UnavailableError,
                "answer-unreadable",
                "fno answered 200 to finding records of CustomersV2 by F, but not with a JSON "
                "object: a body of 1 bytes without an error description.",
            ),
            (
                json_reply({"value": {}}),
                UnavailableError,
                "answer-unreadable",
                "fno answered 200 to finding records of CustomersV2 by F, but not with a list of "
                "records in 'value': a body of 12 bytes without an error description.",
            ),
        ],
    )
    def test_a_broken_answer_says_what_is_wrong(self, client, server, reply, kind, code, told):
        server.play(reply)
        error = caught(lambda: client.find("CustomersV2", "F", ["a"], []))
        assert type(error) is kind
        assert (error.code, str(error)) == (code, told)


class TestWrite:
    def test_operations_go_into_one_batch_each_its_own_change_set(self, client, server, meter):
        server.play(multipart_reply([change_set(1, 201), change_set(2, 204)]))
        operations = [create("A/1", CreditLimit=Decimal("1.10")), update("O'B", Name="Ø")]
        assert written(client.write(operations, send_before=LATER)) == [Written.DONE] * 2
        request = server.received[0]
        assert request.path == "/data/$batch?cross-company=true"
        assert request.headers["accept"] == "multipart/mixed"
        text = request.body.decode()
        assert f"POST {server.url}/data/CustomersV2?cross-company=true HTTP/1.1\r\n" in text
        assert '{"dataAreaId":"usmf","CustomerAccount":"A/1","CreditLimit":1.10}' in text
        path = "/data/CustomersV2(dataAreaId='usmf',CustomerAccount='O''B')?cross-company=true"
        assert f"PATCH {server.url}{path} HTTP/1.1\r\n" in text
        assert json.loads(text.split("\r\n\r\n")[-1].partition("\r\n")[0]) == {"Name": "Ø"}
        assert meter.snapshot() == {"dataverse": 0, "fno": 1, "fno_operations": 2}

    def test_a_key_field_among_the_values_is_sent_once_with_its_type(self, client, server):
        server.play(multipart_reply([change_set(1, 201)]))
        line = RecordKey("Lines", (("dataAreaId", "usmf"), ("LineNumber", "1")))
        client.write([Create(line, {"Name": "x", "LineNumber": 1})], send_before=LATER)
        assert b'{"dataAreaId":"usmf","LineNumber":1,"Name":"x"}' in server.received[0].body

    def test_a_failed_part_is_that_parts_failure(self, client, server):
        exists = infolog_reply(
            400, "Infolog: Info: Cannot create a record in C (C). A.\nThe record already exists.."
        )
        absent = infolog_reply(400, "No resources were found when selecting for update.")
        parts = [
            change_set(1, 500, exists),
            change_set(2, 201),
            change_set(3, 400, absent),
            change_set(4, 429, Retry_After="7"),
        ]
        server.play(multipart_reply(parts))
        operations = [create("A"), create("B"), update("C"), update("D")]
        results = client.write(operations, send_before=LATER)
        assert written(results) == [
            Written.EXISTS,
            Written.DONE,
            Written.ABSENT,
            Written.THROTTLED,
        ]
        assert results[3].retry_after_seconds == 7

    def test_a_missing_part_is_unknown(self, client, server):
        server.play(multipart_reply([change_set(2, 204)]))
        results = client.write([create("A"), update("B")], send_before=LATER)
        assert written(results) == [Written.UNKNOWN, Written.DONE]

    def test_no_operations_need_no_request(self, client, server):
        assert client.write([], send_before=LATER) == []
        assert server.received == []

    def test_more_operations_than_fno_takes_are_refused(self, client):
        with pytest.raises(ValueError, match="5001 operations, F&O takes 5000"):
            client.write([update("A")] * 5_001, send_before=LATER)

    def test_a_record_that_fits_into_no_request_harms_only_itself(self, client, server):
        server.play(multipart_reply([change_set(1, 204)]))
        operations = [update("\ud800"), update("B"), update("C", Amount=Decimal("NaN"))]
        results = client.write([*operations, create("\ud800")], send_before=LATER)
        refused = Written.REFUSED
        assert written(results) == [refused, Written.DONE, refused, refused]
        assert results[0].reason is not None
        assert results[0].reason.code == "record-not-sendable"

    def test_a_session_that_ends_within_a_batch_is_renewed_for_the_next(self, client, server):
        server.play(multipart_reply([change_set(1, 401)]), json_reply({"value": []}))
        assert written(client.write([update("A")], send_before=LATER)) == [Written.CONFLICT]
        client.companies()
        tokens = [request.headers["authorization"] for request in server.received]
        assert tokens == ["Bearer token-1", "Bearer token-2"]

    def test_a_batch_that_is_too_late_is_not_sent(self, client, server):
        error = caught(lambda: client.write([update("A")], send_before=0))
        assert isinstance(error, UnavailableError)
        assert error.code == "too-late"
        assert server.received == []

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(200, {"Content-Type": "multipart/mixed; boundary=b"}, b"garbage"),
            Reply(200, {"Content-Type": "application/json"}, b"{}"),
            Reply(200),
            Reply(500, {"Content-Type": "application/json"}, b"{}"),
            Reply(503),
            html_reply(200),
            html_reply(502),
            Reply(breakage="reset"),
            Reply(200, {}, b"x" * 50, breakage="cut"),
        ],
    )
    def test_a_batch_whose_answer_is_lost_is_unknown_and_sent_once(self, client, server, reply):
        server.play(reply, multipart_reply([change_set(1, 204)]))
        error = caught(lambda: client.write([update("A")], send_before=LATER))
        assert isinstance(error, AnswerUnknownError)
        assert error.code == "answer-unknown"
        assert len(server.received) == 1

    def test_an_unreadable_batch_answer_is_told(self, client, server):
        server.play(Reply(200, {"Content-Type": "multipart/mixed; boundary=b"}, b"garbage"))
        error = caught(lambda: client.write([update("A")], send_before=LATER))
        assert str(error) == (
            "fno answered 200 to a batch, but no part of the batch answer could be read: "
            "a body of 7 bytes without an error description."
        )

    def test_a_throttled_batch_was_not_carried_out(self, client, server):
        server.play(error_reply(429, "", "high resource utilization", Retry_After="30"))
        error = caught(lambda: client.write([update("A")], send_before=LATER))
        assert isinstance(error, ThrottledError)
        assert error.retry_after_seconds == 30

    @pytest.mark.parametrize(
        ("status", "code"),
        [(400, "batch-refused"), (403, "privilege-missing"), (404, "batch-refused")],
    )
    def test_a_batch_that_is_refused_as_a_whole_stops(self, client, server, status, code):
        server.play(error_reply(status, "", "No."))
        error = caught(lambda: client.write([update("A")], send_before=LATER))
        assert isinstance(error, ServiceRefusedError)
        assert error.code == code
        assert str(error).startswith(f"fno refused a batch with {status}: No. ")


class TestSingleRecords:
    def test_a_record_is_read_by_its_key(self, client, server):
        server.play(json_reply({"CustomerAccount": "A"}))
        assert client.get(key("A"), ["CustomerAccount"]) == {"CustomerAccount": "A"}
        path = "/data/CustomersV2(dataAreaId='usmf',CustomerAccount='A')"
        assert server.received[0].path == f"{path}?cross-company=true&$select=CustomerAccount"

    def test_a_record_that_is_not_there_is_none(self, client, server):
        server.play(Reply(404))
        assert client.get(key("A")) is None

    def test_a_record_is_created_and_updated_by_requests_of_their_own(self, client, server):
        server.play(json_reply({}, 201), Reply(204))
        assert client.write_one(create("A")) == PartResult(Written.DONE)
        assert client.write_one(update("A")) == PartResult(Written.DONE)
        assert [r.method for r in server.received] == ["POST", "PATCH"]
        assert all("cross-company=true" in r.path for r in server.received)

    def test_a_refusal_of_a_single_record_is_its_result(self, client, server):
        server.play(infolog_reply(500, "Warning: Field 'Name' must be filled in."))
        result = client.write_one(create("A"))
        assert result.written is Written.REFUSED
        assert result.reason is not None
        assert result.reason.code == "mandatory-missing"

    def test_legal_entities_are_in_lower_case(self, client, server):
        server.play(json_reply({"value": [{"DataArea": "USMF"}, {"DataArea": "demf"}]}))
        assert client.companies() == ["usmf", "demf"]
        assert options(server.received[0].path)["cross-company"] == ["true"]


class TestMetadata:
    def test_it_is_read_in_one_request(self, client, server):
        server.play(Reply(200, {"Content-Type": "application/xml"}, METADATA))
        found = client.metadata(["Groups"])
        assert found.entities["Groups"].key == ("dataAreaId", "Id")
        assert server.received[0].path == "/data/$metadata"
        assert server.received[0].headers["accept"] == "application/xml"

    @pytest.mark.parametrize(
        ("body", "expected"),
        [(b"", "XML (line 1: no element found)"), (b"<a/>", "an EntitySet in it")],
        ids=["nothing", "other XML"],
    )
    def test_another_document_is_unreadable(self, client, server, body, expected):
        server.play(Reply(200, {"Content-Type": "application/xml"}, body))
        error = caught(lambda: client.metadata(["Groups"]))
        assert error.code == "answer-unreadable"
        assert expected in str(error)

    def test_a_refusal_says_what_was_read(self, client, server):
        server.play(error_reply(403, "", "no"))
        error = caught(lambda: client.metadata(["Groups"]))
        assert error.code == "privilege-missing"
        assert "reading the metadata" in str(error)
