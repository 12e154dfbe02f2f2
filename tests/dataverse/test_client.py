"""The Dataverse client against prepared answers: what it sends and what it makes of them."""

from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from p2c.dataverse import DataverseClient
from p2c.dataverse.client import DataverseOperation
from p2c.errors import (
    AnswerUnknownError,
    DeltaLinkExpiredError,
    P2cError,
    ServiceRefusedError,
    UnavailableError,
)
from p2c.model import (
    ChangePage,
    Lookup,
    LookupRow,
    LookupTarget,
    SourceQuery,
    SourceRow,
    TableDefinition,
)
from p2c.odata.meter import Meter
from p2c.odata.transport import Limits, Transport
from p2c.sync.ports import Source
from tests.support.canned_server import (
    CannedServer,
    Reply,
    StillClock,
    Tokens,
    change_set,
    error_reply,
    html_reply,
    json_reply,
    multipart_reply,
)

ACCOUNT = LookupTarget("account", "parentcustomerid_account", "accountid", ("accountnumber",))
CONTACT = LookupTarget("contact", "parentcustomerid_contact", "contactid", ("lastname",))
CURRENCY = LookupTarget(
    "transactioncurrency", "transactioncurrencyid", "transactioncurrencyid", ("isocurrencycode",)
)
QUERY = SourceQuery(
    table="contact",
    entity_set="contacts",
    primary_key="contactid",
    columns=("lastname", "creditlimit"),
    lookups=(
        Lookup("parentcustomerid", (ACCOUNT, CONTACT)),
        Lookup("transactioncurrencyid", (CURRENCY,)),
    ),
)
ID_1 = "11111111-1111-4111-8111-111111111111"
ID_2 = "22222222-2222-4222-8222-222222222222"
ID_3 = "33333333-3333-4333-8333-333333333333"
DELTA = "/api/data/v9.2/contacts?$select=contactid&$deltatoken=919042%2108%2f22%2f2017"


@pytest.fixture
def client(server: CannedServer) -> Iterator[DataverseClient]:
    limits = Limits(connect_seconds=1, read_seconds=1)
    transport = Transport("dataverse", server.url, Tokens(), Meter(), StillClock(), limits=limits)
    with transport:
        yield DataverseClient(transport)


def wire_row(row_id: str, **changed: object) -> dict[str, object]:
    return {
        "@odata.etag": 'W/"915244"',
        "contactid": row_id,
        "lastname": "Moe",
        "creditlimit": Decimal("10.10"),
        "_parentcustomerid_value": None,
        "_transactioncurrencyid_value": None,
    } | changed


def options(path: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(path).query)


def caught(call) -> P2cError:
    with pytest.raises(P2cError) as found:
        call()
    return found.value


def test_the_client_is_a_source(client):
    source: Source = client
    assert callable(source.changes)
    assert callable(source.read)


class TestChanges:
    def test_a_first_read_asks_for_tracking_and_for_ids_only(self, client, server):
        link = server.url + DELTA
        server.play(json_reply({"value": [{"contactid": ID_1.upper()}], "@odata.deltaLink": link}))
        page = client.changes(QUERY, None, tracked=True)
        assert page == ChangePage((ID_1,), (), None, link)
        request = server.received[0]
        assert request.path == "/api/data/v9.2/contacts?$select=contactid"
        assert request.headers["prefer"] == "odata.track-changes,odata.maxpagesize=5000"

    def test_an_untracked_read_asks_for_no_tracking_and_ends_without_links(self, client, server):
        server.play(json_reply({"value": [{"contactid": ID_1}]}))
        page = client.changes(QUERY, None, tracked=False)
        assert page == ChangePage((ID_1,), (), None, None)
        assert server.received[0].headers["prefer"] == "odata.maxpagesize=5000"

    def test_a_page_has_what_changed_and_what_was_deleted(self, client, server):
        deleted = {
            "@odata.context": f"{server.url}/api/data/v9.2/$metadata#contacts/$deletedEntity",
            "id": ID_2,
            "reason": "deleted",
        }
        next_link = server.url + DELTA.replace("$deltatoken", "$skiptoken")
        server.play(
            json_reply({"value": [{"contactid": ID_1}, deleted], "@odata.nextLink": next_link})
        )
        page = client.changes(QUERY, server.url + DELTA, tracked=True)
        assert page == ChangePage((ID_1,), (ID_2,), next_link, None)

    @pytest.mark.parametrize(
        "form",
        [
            {"reason": "deleted"},
            {"@odata.context": "https://x/$metadata#contacts/$deletedEntity"},
            {"@odata.context": "https://x/$metadata#contacts/$deletedEntity", "reason": "changed"},
        ],
    )
    def test_a_deleted_row_is_known_by_either_mark(self, client, server, form):
        server.play(json_reply({"value": [{"id": ID_2.upper()} | form]}))
        page = client.changes(QUERY, None, tracked=False)
        assert page == ChangePage((), (ID_2,), None, None)

    def test_while_there_is_a_next_page_no_delta_link_is_taken(self, client, server):
        links = {"@odata.nextLink": server.url + DELTA, "@odata.deltaLink": server.url + DELTA}
        server.play(json_reply({"value": [], **links}))
        page = client.changes(QUERY, None, tracked=True)
        assert (page.next_link, page.delta_link) == (server.url + DELTA, None)

    def test_every_page_is_asked_for_with_the_same_preferences(self, client, server):
        server.play(json_reply({"value": [], "@odata.deltaLink": server.url + DELTA}))
        client.changes(QUERY, server.url + DELTA, tracked=True)
        request = server.received[0]
        assert request.headers["prefer"] == "odata.track-changes,odata.maxpagesize=5000"
        assert request.path.lower() == DELTA.lower()

    def test_the_page_size_can_be_made_smaller_but_not_larger(self, client, server):
        for size, sent in ((100, "100"), (9_999, "5000")):
            server.play(json_reply({"value": []}))
            small = DataverseClient(client._transport, page_size=size)
            small.changes(QUERY, None, tracked=False)
            assert server.received[-1].headers["prefer"] == f"odata.maxpagesize={sent}"

    @pytest.mark.parametrize("status", [400, 410, 500])
    def test_an_expired_link_is_reported_as_such(self, client, server, status):
        server.play(error_reply(status, "0x80044352", "Version stamp has expired."))
        error = caught(lambda: client.changes(QUERY, server.url + DELTA, tracked=True))
        assert isinstance(error, DeltaLinkExpiredError)

    def test_tracking_that_is_off_stops_with_what_to_do(self, client, server):
        server.play(error_reply(400, "0x80072491", "Entity x isn't enabled for change tracking."))
        error = caught(lambda: client.changes(QUERY, None, tracked=True))
        assert isinstance(error, ServiceRefusedError)
        assert error.code == "change-tracking-off"

    def test_a_last_page_without_either_link_is_an_error(self, client, server):
        server.play(json_reply({"value": []}, x_ms_service_request_id="r-9"))
        error = caught(lambda: client.changes(QUERY, server.url + DELTA, tracked=True))
        assert isinstance(error, ServiceRefusedError)
        assert (error.code, error.request_id) == ("delta-link-missing", "r-9")
        assert str(error) == (
            "dataverse ended reading changes of contacts with neither a next link nor a delta "
            "link, expected one of them. Changes could be missed from here on, so the previous "
            "delta link stays in use. Try again, and with the request id turn to the service's "
            "support."
        )

    @pytest.mark.parametrize("name", ["@odata.nextLink", "@odata.deltaLink"])
    def test_a_link_to_another_host_is_an_error(self, client, server, name):
        server.play(json_reply({"value": [], name: "https://evil.example/api/data/v9.2/contacts"}))
        error = caught(lambda: client.changes(QUERY, None, tracked=True))
        assert isinstance(error, ServiceRefusedError)
        assert error.code == "link-foreign"
        assert str(error) == (
            "dataverse: a link leaves the service: it leads to https://evil.example, expected "
            f"{server.url}. No token was sent there. Check the service's URL in the settings and "
            "what stands between it and p2c."
        )

    def test_a_stored_link_to_another_host_is_not_followed(self, client, server):
        link = "https://evil.example/api/data/v9.2/contacts?$deltatoken=1"
        assert caught(lambda: client.changes(QUERY, link, tracked=True)).code == "link-foreign"

    def test_a_link_outside_the_web_api_is_not_followed(self, client, server):
        link = server.url + "/other?$deltatoken=1"
        assert caught(lambda: client.changes(QUERY, link, tracked=True)).code == "link-foreign"
        assert server.received == []

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ({}, "a list in 'value'"),
            ({"value": 1}, "a list in 'value'"),
            ({"value": [1]}, "a list in 'value'"),
            ({"value": [{}]}, "a GUID as contactid"),
            ({"value": [{"contactid": "x"}]}, "a GUID as contactid"),
            ({"value": [{"reason": "deleted"}]}, "a GUID as id of a deleted row"),
            ([], "a JSON object"),
        ],
    )
    def test_a_page_that_cannot_be_read_loses_no_row_silently(self, client, server, body, told):
        server.play(json_reply(body))
        error = caught(lambda: client.changes(QUERY, None, tracked=True))
        assert isinstance(error, UnavailableError)
        assert error.code == "answer-unreadable"
        assert f"but not with {told}:" in str(error)


class TestRead:
    def test_rows_are_read_with_their_lookups_in_one_request(self, client, server):
        account = {"accountid": ID_3, "accountnumber": "ACC-1"}
        first = wire_row(
            ID_1,
            _parentcustomerid_value=ID_3.upper(),
            parentcustomerid_account=account,
            parentcustomerid_contact=None,
        )
        server.play(json_reply({"value": [wire_row(ID_2), first]}))
        rows = client.read(QUERY, [ID_1, ID_2])
        parent = LookupRow("account", ID_3, {"accountnumber": "ACC-1"})
        columns = {"lastname": "Moe", "creditlimit": Decimal("10.10")}
        empty = {"parentcustomerid": None, "transactioncurrencyid": None}
        assert list(rows.values()) == [
            SourceRow(ID_1, "915244", columns, empty | {"parentcustomerid": parent}),
            SourceRow(ID_2, "915244", columns, empty),
        ]
        sent = options(server.received[0].path)
        assert sent["$select"] == [
            "contactid,lastname,creditlimit,_parentcustomerid_value,_transactioncurrencyid_value"
        ]
        assert sent["$expand"] == [
            "parentcustomerid_account($select=accountid,accountnumber),"
            "parentcustomerid_contact($select=contactid,lastname),"
            "transactioncurrencyid($select=transactioncurrencyid,isocurrencycode)"
        ]
        assert sent["$filter"] == [
            "Microsoft.Dynamics.CRM.In(PropertyName='contactid',"
            f"PropertyValues=['{ID_1}','{ID_2}'])"
        ]

    def test_a_lookup_to_a_table_that_is_no_target_has_no_table(self, client, server):
        server.play(json_reply({"value": [wire_row(ID_1, _parentcustomerid_value=ID_3)]}))
        row = client.read(QUERY, [ID_1])[ID_1]
        assert row.lookups["parentcustomerid"] == LookupRow("", ID_3)

    def test_a_row_that_is_gone_has_no_entry(self, client, server):
        server.play(json_reply({"value": []}))
        assert client.read(QUERY, [ID_1]) == {}

    def test_a_row_that_was_not_asked_for_is_left_out(self, client, server):
        server.play(json_reply({"value": [wire_row(ID_1), wire_row(ID_2)]}))
        assert list(client.read(QUERY, [ID_1])) == [ID_1]

    def test_no_rows_need_no_request(self, client, server):
        assert client.read(QUERY, []) == {}
        assert server.received == []

    def test_many_rows_become_few_requests_with_bounded_urls(self, client, server):
        wanted = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(400)]

        def echo(request):
            asked = options(request.path)["$filter"][0]
            return json_reply({"value": [wire_row(i) for i in wanted if i in asked]})

        server.play(*[echo] * 10)
        assert list(client.read(QUERY, wanted)) == wanted
        lengths = [len(server.url + request.path) for request in server.received]
        assert max(lengths) <= 8_000
        assert len(lengths) == 3
        assert min(lengths[:-1]) > 7_900

    def test_pages_are_followed(self, client, server):
        link = f"{server.url}/api/data/v9.2/contacts?$skiptoken=2"
        server.play(
            json_reply({"value": [wire_row(ID_1)], "@odata.nextLink": link}),
            json_reply({"value": [wire_row(ID_2)]}),
        )
        assert set(client.read(QUERY, [ID_1, ID_2])) == {ID_1, ID_2}

    @pytest.mark.parametrize("root", ["https://evil.example/api/data/v9.2", "{url}/elsewhere"])
    def test_a_page_outside_the_web_api_is_not_followed(self, client, server, root):
        link = root.format(url=server.url) + "/contacts"
        server.play(json_reply({"value": [], "@odata.nextLink": link}))
        assert caught(lambda: client.read(QUERY, [ID_1])).code == "link-foreign"

    def test_what_is_no_id_never_gets_into_a_url(self, client, server):
        with pytest.raises(ValueError, match="not a GUID"):
            client.read(QUERY, [ID_1, "x') or true"])
        assert server.received == []

    @pytest.mark.parametrize("column", ["lastname", "_parentcustomerid_value"])
    def test_a_column_that_is_absent_is_not_taken_for_empty(self, client, server, column):
        row = wire_row(ID_1)
        del row[column]
        server.play(json_reply({"value": [row]}))
        error = caught(lambda: client.read(QUERY, [ID_1]))
        assert isinstance(error, UnavailableError)
        assert f"the column {column} that was selected" in str(error)


class TestReferring:
    def test_rows_are_found_by_the_rows_their_lookup_points_to(self, client, server):
        server.play(json_reply({"value": [{"contactid": ID_3.upper()}]}))
        pages = list(client.referring(QUERY, QUERY.lookups[0], [ID_1.upper(), ID_2, ID_1]))
        assert pages == [(ID_3,)]
        (request,) = server.received
        assert options(request.path) == {
            "$select": ["contactid"],
            "$filter": [f"_parentcustomerid_value eq {ID_1} or _parentcustomerid_value eq {ID_2}"],
        }
        assert request.headers["prefer"] == "odata.maxpagesize=5000"

    def test_pages_are_read_one_by_one_as_they_are_wanted(self, client, server):
        link = server.url + "/api/data/v9.2/contacts?$skiptoken=2"
        server.play(json_reply({"value": [{"contactid": ID_1}], "@odata.nextLink": link}))
        server.play(json_reply({"value": [{"contactid": ID_2}]}))
        small = DataverseClient(client._transport, page_size=1)
        pages = small.referring(QUERY, QUERY.lookups[0], [ID_3])
        assert next(pages) == (ID_1,)
        assert len(server.received) == 1
        assert list(pages) == [(ID_2,)]
        assert [request.headers["prefer"] for request in server.received] == [
            "odata.maxpagesize=1"
        ] * 2

    def test_many_rows_become_few_requests_with_bounded_urls(self, client, server):
        ids = [f"00000000-0000-4000-8000-{number:012x}" for number in range(250)]
        for _ in range(3):
            server.play(json_reply({"value": []}))
        assert list(client.referring(QUERY, QUERY.lookups[0], ids)) == [(), (), ()]
        assert all(len(server.url + request.path) <= 8_000 for request in server.received)
        terms = [options(request.path)["$filter"][0].count(" eq ") for request in server.received]
        assert (sum(terms), max(terms) < 500) == (250, True)

    def test_no_rows_need_no_request(self, client, server):
        assert list(client.referring(QUERY, QUERY.lookups[0], [])) == []
        assert server.received == []

    def test_a_page_on_another_host_is_not_followed(self, client, server):
        link = "https://evil.example/api/data/v9.2/contacts?$skiptoken=2"
        server.play(json_reply({"value": [{"contactid": ID_1}], "@odata.nextLink": link}))
        error = caught(lambda: list(client.referring(QUERY, QUERY.lookups[0], [ID_3])))
        assert error.code == "link-foreign"

    @pytest.mark.parametrize("body", [{"value": [{}]}, {"value": [{"contactid": "x"}]}])
    def test_a_page_that_cannot_be_read_loses_no_row_silently(self, client, server, body):
        server.play(json_reply(body))
        error = caught(lambda: list(client.referring(QUERY, QUERY.lookups[0], [ID_3])))
        assert error.code == "answer-unreadable"

    def test_what_is_no_id_never_gets_into_a_url(self, client, server):
        with pytest.raises(ValueError, match="not a GUID"):
            list(client.referring(QUERY, QUERY.lookups[0], ["x' or 1 eq 1"]))
        assert server.received == []


class TestFind:
    def test_a_text_is_asked_for_as_a_quoted_literal(self, client, server):
        server.play(json_reply({"value": [{"contactid": ID_2}, {"contactid": ID_1}]}))
        assert client.find(QUERY, "msdynce_contactnumber", "O'Brien & 1") == (ID_1, ID_2)
        (request,) = server.received
        assert options(request.path) == {
            "$select": ["contactid"],
            "$filter": ["msdynce_contactnumber eq 'O''Brien & 1'"],
        }

    def test_every_page_is_read(self, client, server):
        link = server.url + "/api/data/v9.2/contacts?$skiptoken=2"
        server.play(json_reply({"value": [{"contactid": ID_2}], "@odata.nextLink": link}))
        server.play(json_reply({"value": [{"contactid": ID_1}]}))
        assert client.find(QUERY, "lastname", "Moe") == (ID_1, ID_2)

    def test_what_is_no_column_never_gets_into_a_url(self, client, server):
        with pytest.raises(ValueError, match="is not the name"):
            client.find(QUERY, "lastname eq 'a' or lastname", "Moe")
        assert server.received == []


class TestBatch:
    def test_answers_come_in_the_order_of_the_operations(self, client, server):
        failed = error_reply(400, "0x80044331", "A validation error occurred.")
        server.play(multipart_reply([change_set(2, 400, failed), change_set(1, 204)]))
        operations = [
            DataverseOperation("PATCH", "contacts(msdynce_contactnumber='C')", {"lastname": "Ø"}),
            DataverseOperation("POST", "contacts", {"creditlimit": Decimal("1.10")}),
        ]
        first, second = client.batch(operations)
        assert (first.status, second.status) == (204, 400)
        assert b"A validation error" in second.body
        request = server.received[0]
        assert request.headers["prefer"] == "odata.continue-on-error"
        assert b'{"creditlimit":1.10}' in request.body
        assert f"PATCH {server.url}/api/data/v9.2/contacts(msdynce_".encode() in request.body

    def test_a_missing_answer_is_none(self, client, server):
        server.play(multipart_reply([change_set(1, 204)]))
        operations = [DataverseOperation("POST", "contacts", {})] * 2
        assert [answer is None for answer in client.batch(operations)] == [False, True]

    def test_a_lost_answer_to_writes_is_unknown(self, client, server):
        server.play(Reply(200, {"Content-Type": "multipart/mixed; boundary=x"}, b"garbage"))
        error = caught(lambda: client.batch([DataverseOperation("POST", "contacts", {})]))
        assert isinstance(error, AnswerUnknownError)
        assert str(error) == (
            "dataverse answered 200 to a batch, but no part of the batch answer could be read: "
            "a body of 7 bytes without an error description."
        )

    def test_a_batch_of_reads_may_be_repeated(self, client, server):
        part = b"Content-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}"
        server.play(html_reply(503), multipart_reply([part]))
        (answer,) = client.batch([DataverseOperation("GET", "contacts?$top=1")])
        assert answer.status == 200
        assert len(server.received) == 2

    def test_a_batch_that_is_refused_as_a_whole_stops(self, client, server):
        server.play(error_reply(400, "0x80048d19", "Error identified in Payload."))
        error = caught(lambda: client.batch([DataverseOperation("POST", "contacts", {})]))
        assert isinstance(error, ServiceRefusedError)
        assert (error.code, error.service_code) == ("batch-refused", "0x80048d19")

    def test_no_operations_need_no_request(self, client, server):
        assert client.batch([]) == []
        assert server.received == []

    def test_more_operations_than_dataverse_takes_are_refused(self, client, server):
        with pytest.raises(ValueError, match="1001 operations, Dataverse takes 1000"):
            client.batch([DataverseOperation("GET", "contacts")] * 1_001)


DEFINITION = {
    "LogicalName": "contact",
    "EntitySetName": "contacts",
    "PrimaryIdAttribute": "contactid",
    "ChangeTrackingEnabled": True,
    "Attributes": [
        {"LogicalName": "lastname", "AttributeType": "String", "MetadataId": ID_1},
        {"LogicalName": "parentcustomerid", "AttributeType": "Customer"},
    ],
    "ManyToOneRelationships": [
        {
            "ReferencingAttribute": "parentcustomerid",
            "ReferencedEntity": "account",
            "ReferencingEntityNavigationPropertyName": "parentcustomerid_account",
        },
        {
            "ReferencingAttribute": "owninguser",
            "ReferencedEntity": "systemuser",
            "ReferencingEntityNavigationPropertyName": None,
        },
    ],
}


class TestTableDefinition:
    def test_it_tells_names_change_tracking_columns_and_lookups_in_one_request(
        self, client, server
    ):
        server.play(json_reply(DEFINITION))
        assert client.table_definition("contact") == TableDefinition(
            "contact",
            "contacts",
            "contactid",
            True,
            {"lastname": "String", "parentcustomerid": "Customer"},
            {("parentcustomerid", "account"): "parentcustomerid_account"},
        )
        url = urlsplit(server.received[0].path)
        assert url.path == "/api/data/v9.2/EntityDefinitions(LogicalName='contact')"
        assert parse_qs(url.query)["$expand"] == [
            "Attributes($select=LogicalName,AttributeType),ManyToOneRelationships($select="
            "ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName)"
        ]

    def test_a_table_that_is_not_there_is_named(self, client, server):
        server.play(error_reply(404, "0x80060888", "Could not find an entity"))
        error = caught(lambda: client.table_definition("msdynce_x"))
        assert error.code == "table-unknown"
        assert "the definition of table msdynce_x" in str(error)

    @pytest.mark.parametrize("name", DEFINITION)
    def test_a_definition_without_a_property_is_unreadable(self, client, server, name):
        left = {key: value for key, value in DEFINITION.items() if key != name}
        server.play(json_reply(left))
        error = caught(lambda: client.table_definition("contact"))
        assert isinstance(error, UnavailableError)
        assert error.code == "answer-unreadable"
        assert name in str(error)


class TestSetup:
    def test_who_we_are_comes_with_the_time_of_the_service(self, client, server):
        server.play(json_reply({"UserId": ID_1}))
        caller = client.who_am_i()
        assert caller.user_id == ID_1
        assert caller.service_time is not None
        assert server.received[0].path == "/api/data/v9.2/WhoAmI"

    def test_an_answer_that_does_not_say_who_we_are_is_unreadable(self, client, server):
        server.play(json_reply({}))
        assert caught(client.who_am_i).code == "answer-unreadable"

    @pytest.mark.parametrize("rows", [0, 1])
    def test_a_sample_asks_for_one_row_with_all_columns_and_lookups(self, client, server, rows):
        row = {
            "contactid": ID_1,
            "lastname": "x",
            "creditlimit": None,
            "_parentcustomerid_value": None,
            "_transactioncurrencyid_value": None,
        }
        server.play(json_reply({"value": [row] * rows}))
        assert client.sample(QUERY) == rows
        url = urlsplit(server.received[0].path)
        options = parse_qs(url.query)
        assert url.path == "/api/data/v9.2/contacts"
        assert options["$top"] == ["1"]
        assert options["$select"][0].split(",")[:3] == ["contactid", "lastname", "creditlimit"]
        assert "parentcustomerid_contact($select=contactid,lastname)" in options["$expand"][0]
