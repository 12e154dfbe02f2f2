"""What only the Azure adapters do: missing tables, lost answers, limits of the service."""

import re
import socket
import uuid
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableClient, TableServiceClient, TableTransactionError
from azure.storage.queue import QueueClient, QueueServiceClient

from p2c.errors import ServiceRefusedError, UnavailableError
from p2c.model import Put
from p2c.storage import AzureDocuments, StorageAccount
from p2c.storage.account import QUEUE_API_VERSION, TABLE_API_VERSION
from p2c.storage.tables import scan_filter


class FaultyTransport(RequestsTransport):
    """Carries out and counts every request; `fault` says what becomes of the answers."""

    def __init__(self) -> None:
        super().__init__()
        self.fault = ""
        self.sent = 0

    def send(self, request: Any, **kwargs: Any) -> Any:
        response = super().send(request, **kwargs)
        self.sent += 1
        if self.fault == "lost":
            response.internal_response.close()
            raise ServiceResponseError("Connection aborted.")
        if self.fault == "replaced by 500":
            response.status_code = 500
        return response


@pytest.fixture
def name() -> str:
    return f"t{uuid.uuid4().hex[:20]}"


@pytest.fixture
def faulty(
    storage_account: StorageAccount, azurite_connection_string: str, name: str
) -> tuple[AzureDocuments, FaultyTransport]:
    transport = FaultyTransport()
    client = TableClient.from_connection_string(
        azurite_connection_string, name, transport=transport, retry_backoff_factor=0
    )
    documents = AzureDocuments(client, storage_account._readers)
    documents.ensure()
    return documents, transport


@pytest.mark.parametrize("fault", ["lost", "replaced by 500"])
def test_a_write_without_its_answer_is_not_repeated_and_not_called_a_conflict(
    faulty: tuple[AzureDocuments, FaultyTransport], fault: str
) -> None:
    documents, transport = faulty
    version = documents.put("p", "old", {"a": 1}, None)
    transport.fault = fault
    for write in (
        lambda: documents.put("p", "new", {"a": 1}, None),
        lambda: documents.put("p", "old", {"a": 2}, version),
        lambda: documents.put_all("p", [Put("newer", {"a": 1}, None)]),
    ):
        transport.sent = 0
        with pytest.raises(UnavailableError):
            write()
        assert transport.sent == 1
    transport.fault = ""
    assert documents.get("p", "old").body == {"a": 2}
    assert set(documents.get_many("p", ["new", "newer"])) == {"new", "newer"}


@pytest.mark.parametrize("fault", ["lost", "replaced by 500"])
def test_a_read_without_its_answer_is_repeated(
    faulty: tuple[AzureDocuments, FaultyTransport], fault: str
) -> None:
    documents, transport = faulty
    documents.put("p", "n", {}, None)
    transport.sent, transport.fault = 0, fault
    with pytest.raises(UnavailableError):
        documents.get("p", "n")
    assert transport.sent > 1


def test_a_failed_transaction_names_its_document_without_another_request(
    faulty: tuple[AzureDocuments, FaultyTransport],
) -> None:
    documents, transport = faulty
    documents.put("p", "bad", {}, None)
    transport.sent = 0
    assert documents.put_all("p", [Put("good", {}, None), Put("bad", {}, None)]) == "bad"
    assert transport.sent == 1


def test_every_method_of_a_missing_table_works_as_on_an_empty_one(
    storage_account: StorageAccount,
) -> None:
    def missing() -> AzureDocuments:
        return storage_account.documents(f"t{uuid.uuid4().hex[:20]}")

    assert missing().get("p", "n") is None
    assert missing().get_many("p", ["a", "b", "c"]) == {}
    assert list(missing().scan("p")) == []
    missing().delete("p", "n")
    for documents in (missing(), missing()):
        assert documents.put("p", "n", {}, None)
        assert documents.get("p", "n")
    assert isinstance(missing().put_all("p", [Put("n", {}, None)]), dict)


def test_reading_makes_no_table_and_no_queue(
    storage_account: StorageAccount, azurite_connection_string: str, name: str
) -> None:
    documents, queue = storage_account.documents(name), storage_account.queue(name)
    documents.get("p", "n")
    documents.get_many("p", ["a", "b"])
    list(documents.scan("p"))
    assert (queue.peek(32), queue.length()) == ([], 0)
    with TableServiceClient.from_connection_string(
        azurite_connection_string, api_version=TABLE_API_VERSION
    ) as tables:
        assert name not in [table.name for table in tables.list_tables()]
    with QueueServiceClient.from_connection_string(
        azurite_connection_string, api_version=QUEUE_API_VERSION
    ) as queues:
        assert name not in [found.name for found in queues.list_queues()]


def test_a_table_and_a_queue_can_be_ensured_twice(
    storage_account: StorageAccount, name: str
) -> None:
    for resource in (storage_account.documents(name), storage_account.queue(name)):
        resource.ensure()
        resource.ensure()


def test_a_scan_goes_on_over_many_pages(storage_account: StorageAccount, name: str) -> None:
    documents = storage_account.documents(name)
    names = [f"n{index:04}" for index in range(1100)]
    for start in range(0, len(names), 100):
        documents.put_all("p", [Put(n, {}, None) for n in names[start : start + 100]])
    assert [document.name for document in documents.scan("p")] == names


def test_a_scan_never_exceeds_the_comparisons_that_azure_allows() -> None:
    equals = {f"p{index}": "and x eq 1" for index in range(10)}
    text = scan_filter("p", first="a", last="b", equals=equals)
    without_literals = re.sub(r"'(?:[^']|'')*'", "", text)
    comparisons = re.findall(r" (?:eq|ne|gt|ge|lt|le) ", without_literals)
    assert len(comparisons) == 13
    assert len(comparisons) <= 15


def test_a_quote_cannot_leave_its_literal() -> None:
    text = scan_filter("p' or '1' eq '1", first="", last="", equals={"a": "' or true eq true"})
    assert text == "PartitionKey eq 'p'' _or _''1'' _eq _''1' and a eq ''' or true eq true'"


@pytest.mark.parametrize("state", ["changed", "gone", "same"])
def test_a_failure_without_an_index_is_traced_by_reading(
    storage_account: StorageAccount, name: str, state: str
) -> None:
    documents = storage_account.documents(name)
    good, bad = (documents.put("p", n, {}, None) for n in ("good", "bad"))
    if state == "changed":
        documents.put("p", "bad", {"a": 1}, bad)
    elif state == "gone":
        documents.delete("p", "bad")
    puts = [Put("good", {}, good), Put("new", {}, None), Put("bad", {}, bad)]
    error = TableTransactionError(message="The update condition was not satisfied.")
    if state == "same":
        with pytest.raises(UnavailableError, match="named no document"):
            documents._failed_name("p", puts, error)
    else:
        assert documents._failed_name("p", puts, error) == "bad"


def test_messages_are_base64_on_the_wire_and_never_expire(
    storage_account: StorageAccount, azurite_connection_string: str, name: str
) -> None:
    storage_account.queue(name).send("ø")
    raw = QueueClient.from_connection_string(
        azurite_connection_string, name, api_version=QUEUE_API_VERSION
    )
    message = raw.receive_message()
    assert message.content == "w7g="
    assert message.expires_on.year > 9000


def test_a_message_that_is_not_base64_comes_as_it_is_beside_the_others(
    storage_account: StorageAccount, azurite_connection_string: str, name: str
) -> None:
    queue = storage_account.queue(name)
    queue.send("fine")
    raw = QueueClient.from_connection_string(
        azurite_connection_string, name, api_version=QUEUE_API_VERSION
    )
    raw.send_message("not base64 !!")
    raw.send_message("gICA")  # Base64 of bytes that are no UTF-8.
    assert {m.text for m in queue.receive(32, 30)} == {"fine", "not base64 !!", "gICA"}


def test_storage_that_cannot_be_reached_is_unavailable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    account = StorageAccount(
        connection_string=(
            "AccountName=devstoreaccount1;AccountKey=a2V5;"
            f"TableEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
            f"QueueEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
        ),
        retries=0,
    )
    for action in (
        lambda: account.documents("t123").get("p", "secret-name"),
        lambda: list(account.documents("t123").scan("p")),
        lambda: account.documents("t123").put_all("p", [Put("n", {}, None)]),
        lambda: account.queue("q123").send("m"),
        lambda: account.queue("q123").receive(1, 1),
    ):
        with pytest.raises(UnavailableError, match="did not answer as it should") as caught:
            action()
        assert caught.value.service == "storage"
        assert caught.value.status is None
        assert "secret-name" not in caught.value.message


def test_a_wrong_key_is_refused_and_the_message_says_what_to_mend(
    azurite_connection_string: str,
) -> None:
    wrong = re.sub(r"AccountKey=[^;]+", "AccountKey=d3Jvbmc=", azurite_connection_string)
    account = StorageAccount(connection_string=wrong, retries=0)
    for action in (
        lambda: account.documents("t123").get("p", "n"),
        lambda: account.queue("q123").send("m"),
    ):
        with pytest.raises(ServiceRefusedError, match="Mend the setting or the roles") as caught:
            action()
        assert caught.value.status == 403
        assert isinstance(caught.value.__cause__, HttpResponseError)
        assert "d3Jvbmc=" not in caught.value.message


def test_an_account_shows_no_secret() -> None:
    account = StorageAccount(connection_string="AccountName=a;AccountKey=c2VjcmV0")
    assert "c2VjcmV0" not in repr(account)


def test_the_identity_form_reaches_both_services_by_their_urls() -> None:
    class Credential:
        def get_token(self, *_scopes: str, **_options: object) -> None:
            raise AssertionError("No request is made here.")

    account = StorageAccount(
        queue_url="https://contoso.queue.core.windows.net",
        table_url="https://contoso.table.core.windows.net",
        credential=Credential(),
    )
    assert account.documents("t123")._client.url == "https://contoso.table.core.windows.net"
    assert account.queue("q123")._client.url.startswith(
        "https://contoso.queue.core.windows.net/q123"
    )
