"""host.json against the numbers that the promises rest on; docs/decisions/host-json.md has why."""

import json

from p2c.settings import (
    CLOCK_SKEW_SECONDS,
    FNO_LONGEST_REQUEST_SECONDS,
    FUNCTION_TIMEOUT_SECONDS,
    Settings,
)
from p2c.storage.limits import MESSAGE_LIMIT_BYTES, RECEIVE_LIMIT
from p2c.sync.handle_message import ENUMERATE_SECONDS
from p2c.sync.messages import ROWS_PER_MESSAGE, EnumerateMessage, RowsMessage
from p2c.sync.runtime import CLAIM_SECONDS, SEND_SECONDS
from tests.functions.world import ROOT
from tests.host.host import Options, seconds

HOST = json.loads((ROOT / "host.json").read_text("utf-8"))
QUEUES = HOST["extensions"]["queues"]
GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def test_the_function_timeout_is_the_one_that_the_settle_time_assumes():
    assert seconds(HOST["functionTimeout"]) == FUNCTION_TIMEOUT_SECONDS
    default = Settings.model_fields["settle_seconds"].default
    assert default >= FUNCTION_TIMEOUT_SECONDS + FNO_LONGEST_REQUEST_SECONDS + CLOCK_SKEW_SECONDS


def test_nothing_is_sent_or_begun_that_late_that_the_timeout_would_cut_it_off():
    assert SEND_SECONDS < FUNCTION_TIMEOUT_SECONDS
    assert ENUMERATE_SECONDS < FUNCTION_TIMEOUT_SECONDS


def test_a_failed_message_comes_again_only_when_the_claims_of_its_try_have_run_out():
    assert seconds(QUEUES["visibilityTimeout"]) > CLAIM_SECONDS


def test_messages_are_encoded_as_they_are_sent():
    assert QUEUES["messageEncoding"] == "base64"


def test_one_receive_brings_a_whole_batch():
    assert 1 <= QUEUES["batchSize"] <= RECEIVE_LIMIT


def test_the_numbers_for_queues_are_such_as_the_host_takes():
    assert set(QUEUES) == {
        "batchSize",
        "newBatchThreshold",
        "maxDequeueCount",
        "visibilityTimeout",
        "maxPollingInterval",
        "messageEncoding",
    }
    assert QUEUES["newBatchThreshold"] >= 0
    assert QUEUES["maxDequeueCount"] >= 1
    assert seconds(QUEUES["maxPollingInterval"]) >= 0.1
    assert seconds(QUEUES["visibilityTimeout"]) <= 7 * 24 * 3600


def test_the_route_prefix_is_the_one_in_the_answers():
    assert HOST["extensions"]["http"]["routePrefix"] == "api"


def test_the_host_tells_by_opentelemetry_and_has_no_setting_that_means_nothing_then():
    """With it, the host reads nothing of its logging but levels (docs/decisions/host-json.md)."""
    assert HOST["telemetryMode"] == "OpenTelemetry"
    assert HOST["logging"] == {"logLevel": {"default": "Information"}}


def test_retries_are_left_to_the_queue():
    assert "retry" not in HOST


def test_no_message_has_a_property_that_would_overwrite_the_hosts_own():
    reserved = {
        "id",
        "queuetrigger",
        "dequeuecount",
        "expirationtime",
        "insertiontime",
        "nextvisibletime",
        "popreceipt",
    }
    for message in (RowsMessage, EnumerateMessage):
        assert not reserved & {name.lower() for name in message.model_fields}


def test_the_largest_messages_fit_the_queue():
    rows = RowsMessage(
        template="t" * 200,
        task="ü" * 200,
        execution="e" * 200,
        rows=(GUID,) * ROWS_PER_MESSAGE,
        generation=10**9,
    )
    request = EnumerateMessage(template="t" * 200, execution="e" * 200, rows=(GUID,) * 1000)
    for message in (rows, request):
        assert len(message.model_dump_json().encode()) <= MESSAGE_LIMIT_BYTES


def test_the_test_host_reads_the_deployed_file():
    options = Options.read(ROOT / "host.json")
    assert options.max_dequeue_count == QUEUES["maxDequeueCount"] == 5
    assert options.function_timeout_seconds == FUNCTION_TIMEOUT_SECONDS
