"""The test host keeps the Functions host's rules, on a toy app and Azurite."""

import base64
import uuid
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient

from tests.host.connection import API_VERSION
from tests.host.host import FUNCTION_KEY, MASTER_KEY, Host, HostError, Options, seconds
from tests.host.needs import needs_worker
from tests.host.process import Worker, WorkerError

pytestmark = needs_worker
TOY = Path(__file__).parent / "apps" / "toy"


class Toy:
    """The toy app in a host, with queues of its own."""

    def __init__(self, connection, **shortened):
        self.name = f"toy-{uuid.uuid4().hex[:12]}"
        self.queue = self._client(connection, self.name)
        self.poison = self._client(connection, f"{self.name}-poison")
        self.settings = {
            "AzureWebJobsStorage": connection,
            "TOY_QUEUE": self.name,
            "TOY_SCHEDULE": "0 * * * * *",
        }
        options = Options.read(TOY / "host.json", longest_poll_seconds=0.2, **shortened)
        self.host = Host(TOY, self.settings, options)
        self.queue.create_queue()

    @staticmethod
    def _client(connection, name):
        return QueueClient.from_connection_string(connection, name, api_version=API_VERSION)

    def __enter__(self):
        self.host.__enter__()
        return self

    def __exit__(self, *exc):
        self.host.__exit__(*exc)
        self.queue.close()
        self.poison.close()

    def send(self, text):
        self.queue.send_message(base64.b64encode(text.encode()).decode())

    def seen(self, queue="work"):
        return [log["extra"] for log in self.host.logs if log["extra"].get("queue") == queue]

    def is_empty(self):
        return self.queue.get_queue_properties().approximate_message_count == 0


@pytest.fixture(scope="module")
def toy(azurite_connection_string):
    with Toy(azurite_connection_string) as toy:
        yield toy


def test_a_message_is_removed_once_its_function_has_succeeded(toy):
    toy.send("fine")
    toy.host.wait_until(lambda: any(found["text"] == "fine" for found in toy.seen()))
    toy.host.wait_until(toy.is_empty)
    assert [found["count"] for found in toy.seen() if found["text"] == "fine"] == [1]


def test_a_failing_message_is_tried_as_often_as_host_json_says_and_then_poisoned(
    azurite_connection_string,
):
    with Toy(azurite_connection_string) as toy:
        toy.send("fail")
        toy.host.wait_until(lambda: toy.seen("poison"))
        toy.host.wait_until(toy.is_empty)
        assert [found["count"] for found in toy.seen()] == [1, 2, 3]
        assert toy.seen("poison")[0]["text"] == "fail"
        # A poison queue has none of its own: the message stays there, hidden.
        toy.host.wait_until(lambda: toy.host.listeners["poison"].idle)
        left = toy.poison.get_queue_properties().approximate_message_count
        assert left == 1


def test_a_failed_message_is_hidden_for_the_visibility_timeout(azurite_connection_string):
    with Toy(azurite_connection_string, visibility_seconds=600) as toy:
        toy.send("fail")
        toy.host.wait_until(lambda: toy.seen() and toy.host.listeners["work"].idle)
        assert toy.queue.peek_messages() == []
        assert not toy.is_empty()


def test_the_last_failure_poisons_the_message_at_once(azurite_connection_string):
    toy = Toy(azurite_connection_string, visibility_seconds=600)
    toy.send("fail")
    for _ in range(2):
        (message,) = toy.queue.receive_messages(visibility_timeout=600)
        toy.queue.update_message(message, visibility_timeout=0)
    with toy:
        toy.host.wait_until(lambda: toy.seen("poison"))
        assert [found["count"] for found in toy.seen()] == [3]


def test_a_message_that_is_not_base64_is_poisoned_as_it_is_without_an_invocation(toy):
    before = len(toy.seen())
    toy.queue.send_message("not base64!")
    # Nor does the poison queue's function get it: it stays there, received again and again.
    toy.host.wait_until(toy.is_empty)
    toy.host.wait_until(lambda: toy.host.listeners["poison"].idle)
    assert toy.poison.get_queue_properties().approximate_message_count == 1
    assert len(toy.seen()) == before
    assert toy.seen("poison") == []
    toy.poison.clear_messages()


def test_a_body_can_overwrite_what_the_host_says_of_its_message(toy):
    toy.send('{"ID": "forged", "dequeueCount": 9, "list": [1]}')
    seen = toy.host.wait_until(lambda: [f for f in toy.seen() if f["text"].startswith("{")])
    assert (seen[0]["id"], seen[0]["count"]) == ("forged", 9)


def test_a_function_that_takes_too_long_costs_the_worker_its_life_and_is_tried_again(
    azurite_connection_string,
):
    with Toy(azurite_connection_string, function_timeout_seconds=0.3) as toy:
        toy.send("hang")
        toy.host.wait_until(lambda: toy.seen("poison"))
        assert [found["count"] for found in toy.seen()] == [1, 2, 3]


def test_a_worker_that_dies_fails_its_message_and_is_replaced(azurite_connection_string):
    with Toy(azurite_connection_string) as toy:
        first = toy.host.worker
        toy.send("die")
        toy.host.wait_until(lambda: len(toy.seen()) >= 2)
        assert toy.host.worker is not first


def test_a_message_of_a_host_that_is_gone_comes_back_after_its_lease_and_counts(
    azurite_connection_string,
):
    # More attempts than allowed, none of which anybody reported: poisoned without an invocation.
    toy = Toy(azurite_connection_string)
    toy.send("fine")
    for _ in range(3):
        (message,) = toy.queue.receive_messages(visibility_timeout=600)
        toy.queue.update_message(message, visibility_timeout=0)
    with toy:
        toy.host.wait_until(lambda: toy.seen("poison"))
        assert toy.seen() == []


def test_a_message_is_held_on_to_while_its_function_runs(azurite_connection_string):
    with Toy(
        azurite_connection_string,
        lease_seconds=1,
        function_timeout_seconds=2.5,
        max_dequeue_count=1,
    ) as toy:
        toy.send("hang")
        toy.host.wait_until(lambda: toy.seen("poison"))
        assert [found["count"] for found in toy.seen()] == [1]


def test_a_timer_is_handed_its_schedule_and_whether_it_is_late(toy):
    assert toy.host.run_timer("tick", past_due=True).ok
    ticks = [log for log in toy.host.logs if log["message"] == "tick"]
    assert ticks[-1]["extra"]["past_due"] is True


@pytest.mark.parametrize(
    ("key", "query", "status"),
    [
        (None, "", 401),
        ("wrong", "", 401),
        (FUNCTION_KEY, "", 201),
        (MASTER_KEY, "", 201),
        (None, f"?code={FUNCTION_KEY}", 201),
        (None, "?code=wrong", 401),
    ],
)
def test_a_function_with_a_key_is_served_to_those_who_have_it(toy, key, query, status):
    answer = toy.host.request("POST", f"/api/things/a%20b{query}", key=key, body=b"body ")
    assert answer.status == status
    assert answer.body == (b"body a b" if status == 201 else b"")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/things/a"), ("POST", "/api/things"), ("POST", "/things/a"), ("GET", "/api/x")],
)
def test_another_method_or_route_is_not_found(toy, method, path):
    assert toy.host.request(method, path, key=FUNCTION_KEY).status == 404


def test_an_open_function_needs_no_key_and_sees_header_names_in_lower_case(toy):
    answer = toy.host.request("GET", "/api/open", headers={"X-Given": "yes"})
    assert (answer.status, answer.body) == (200, b"yes")


def test_an_exception_is_answered_with_500_and_no_body(toy):
    answer = toy.host.request("POST", "/api/things/a?fail=1", key=FUNCTION_KEY)
    assert (answer.status, answer.body) == (500, b"")


def test_a_setting_in_a_binding_that_does_not_exist_keeps_the_host_from_starting(
    azurite_connection_string,
):
    settings = {"AzureWebJobsStorage": azurite_connection_string, "TOY_QUEUE": "toy-queue"}
    with pytest.raises(HostError, match="TOY_SCHEDULE"):
        Host(TOY, settings).__enter__()


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        ({}, "work: there is no setting AzureWebJobsStorage"),
        (
            {"AzureWebJobsStorage__queueServiceUri": "https://127.0.0.1:9/account"},
            "work: only managedidentity is known as AzureWebJobsStorage__credential",
        ),
    ],
)
def test_a_connection_that_does_not_say_how_to_open_queues_keeps_the_host_from_starting(
    connection, message
):
    settings = {"TOY_QUEUE": "toy-queue", "TOY_SCHEDULE": "0 * * * * *", **connection}
    with pytest.raises(HostError) as raised:
        Host(TOY, settings).__enter__()
    assert str(raised.value) == message


def test_an_app_that_the_worker_cannot_load_is_reported_in_its_words(tmp_path):
    (tmp_path / "function_app.py").write_text(
        "import azure.functions as func\n"
        "app = func.FunctionApp()\n"
        "@app.route(route='x')\n"
        "def f(request: func.HttpRequest) -> str: ...\n"
    )
    with pytest.raises(WorkerError, match="declared in Python but not in the function definition"):
        Worker.start(tmp_path, {})


def test_times_are_read_as_host_json_writes_them():
    assert seconds("01:02:03") == 3723
