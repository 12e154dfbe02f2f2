"""Sending over real sockets: tokens, repeats, and what is known after each way to fail."""

import socket
import tempfile
import threading
import time
import traceback
import uuid
from collections.abc import Iterator

import pytest

from p2c.errors import (
    AnswerUnknownError,
    P2cError,
    RetryLaterError,
    ServiceRefusedError,
    SettingError,
    ThrottledError,
    UnavailableError,
)
from p2c.odata.correlation import correlated
from p2c.odata.meter import Meter
from p2c.odata.transport import PIECE_BYTES, Limits, Transport
from tests.support.canned_server import (
    CannedServer,
    Reply,
    StillClock,
    Tokens,
    error_reply,
    html_reply,
    json_reply,
)

OK = json_reply({"value": []})
FAST = Limits(connect_seconds=0.3, read_seconds=0.3)


class Bench:
    """A transport and everything that was put into it."""

    def __init__(self, url: str, *, limits: Limits = FAST) -> None:
        self.clock = StillClock()
        self.meter = Meter()
        self.tokens = Tokens()
        self.transport = Transport(
            "fno",
            url,
            self.tokens,
            self.meter,
            self.clock,
            limits=limits,
            jitter=lambda: 1.0,
        )

    def read(self, path: str = "/data/Set?cross-company=true"):
        return self.transport.read(self.transport.root + path, {})

    def write(self, **options):
        url = self.transport.root + "/data/Set(A='secret-key')?cross-company=true"
        return self.transport.write("PATCH", url, {}, b'{"a":1}', **options)


@pytest.fixture
def bench(server: CannedServer) -> Iterator[Bench]:
    made = Bench(server.url)
    with made.transport:
        yield made


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def failure_of_write(bench: Bench, **options) -> P2cError:
    with pytest.raises(P2cError) as caught:
        bench.write(**options)
    return caught.value


def failure_of_read(bench: Bench) -> P2cError:
    with pytest.raises(P2cError) as caught:
        bench.read()
    return caught.value


def test_a_request_carries_token_version_and_a_fresh_request_id(bench, server):
    server.play(OK, OK)
    bench.read()
    bench.read()
    first, second = (request.headers for request in server.received)
    assert first["authorization"] == "Bearer token-1"
    assert first["user-agent"].startswith("p2c/")
    assert first["odata-version"] == first["odata-maxversion"] == "4.0"
    assert uuid.UUID(first["x-ms-client-request-id"]) != uuid.UUID(second["x-ms-client-request-id"])
    assert "x-ms-correlation-id" not in first


def test_an_execution_is_sent_as_correlation_id_while_it_lasts(bench, server):
    server.play(OK, OK)
    with correlated("e0000000-0000-4000-8000-000000000001"):
        bench.read()
    bench.read()
    during, after = (request.headers for request in server.received)
    assert during["x-ms-correlation-id"] == "e0000000-0000-4000-8000-000000000001"
    assert "x-ms-correlation-id" not in after


def test_idle_connections_are_kept_alive(bench, server, monkeypatch):
    options = set()

    class Watched(socket.socket):
        def setsockopt(self, *option):
            options.add(option)
            super().setsockopt(*option)

    monkeypatch.setattr(socket, "socket", Watched)
    server.play(OK)
    bench.read()
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options


def test_cookies_are_not_sent_back(bench, server):
    server.play(json_reply({}, Set_Cookie="ARRAffinity=1; Path=/"), OK)
    bench.read()
    bench.read()
    assert "cookie" not in server.received[1].headers


def test_the_environments_proxy_is_not_used_for_this_machine(server, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    server.play(OK)
    bench = Bench(server.url)
    with bench.transport:
        assert bench.read().status == 200


def test_a_netrc_does_not_take_the_tokens_place(server, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server.play(OK)
    bench = Bench(server.url)
    bench.transport._session.trust_env = True  # as it is for a real service
    with bench.transport:
        bench.read()
    assert server.received[0].headers["authorization"] == "Bearer token-1"


def test_a_root_in_the_clear_is_refused_with_the_setting_at_fault():
    with pytest.raises(SettingError) as caught:
        Bench("http://fno.example.com")
    assert str(caught.value) == (
        "URL of fno: found 'http://fno.example.com', expected https:// "
        "(http:// only for this machine)"
    )


def test_no_token_goes_to_another_host(bench, server):
    with pytest.raises(ServiceRefusedError) as caught:
        bench.transport.read("https://evil.example/data/Set", {})
    assert caught.value.code == "link-foreign"
    assert server.received == []
    assert bench.meter.snapshot()["fno"] == 0


@pytest.mark.parametrize("token", ["", "a b", "a\r\nHost: evil", "tøken"])
def test_a_token_that_is_none_is_not_sent_and_not_quoted(server, token):
    bench = Bench(server.url)
    bench.transport._get_token = lambda *, force_refresh: token
    with bench.transport:
        error = failure_of_read(bench)
    assert error.code == "token-refused"
    assert server.received == []
    assert not token or token not in str(error)


class TestAfter401:
    def test_a_request_is_repeated_once_with_a_fresh_token(self, bench, server):
        server.play(Reply(401), OK)
        assert bench.read().status == 200
        assert [r.headers["authorization"] for r in server.received] == [
            "Bearer token-1",
            "Bearer token-2",
        ]

    def test_a_write_is_repeated_with_its_whole_body(self, bench, server):
        server.play(Reply(401), Reply(204))
        assert bench.write().status == 204
        assert [r.body for r in server.received] == [b'{"a":1}', b'{"a":1}']

    def test_a_write_is_not_repeated_when_its_time_is_over(self, bench, server):
        def answer_late(_request):
            bench.clock.time += 100
            return Reply(401)

        server.play(answer_late)
        error = failure_of_write(bench, send_before=bench.clock.time + 50)
        assert isinstance(error, UnavailableError)
        assert error.code == "too-late"
        assert len(server.received) == 1

    @pytest.mark.parametrize("failure", [failure_of_read, failure_of_write])
    def test_a_second_401_stops(self, bench, server, failure):
        server.play(Reply(401), error_reply(401, "", "Bad.", ms_dyn_aid="aid-7"))
        error = failure(bench)
        assert isinstance(error, ServiceRefusedError)
        assert (error.code, error.status, error.request_id) == ("token-refused", 401, "aid-7")
        assert str(error) == (
            "fno refused the token twice, a fresh one included: Bad. "
            "Register the identity that p2c runs as with fno."
        )

    def test_a_part_refused_with_401_has_the_next_request_refresh_once(self, bench, server):
        server.play(OK, OK)
        bench.transport.refuse_token()
        bench.read()
        assert server.received[0].headers["authorization"] == "Bearer token-2"
        assert bench.transport._token_refused is False


class TestThrottling:
    @pytest.mark.parametrize("failure", [failure_of_read, failure_of_write])
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"Retry_After": "17"}, 17),
            ({"Retry_After": "Fri, 20 Nov 2026 08:00:30 GMT"}, 30),
            ({}, None),
        ],
    )
    def test_429_says_when_to_come_back(self, bench, server, failure, headers, seconds):
        server.play(error_reply(429, "", "Slow down", **headers))
        error = failure(bench)
        assert isinstance(error, ThrottledError)
        assert error.retry_after_seconds == seconds
        assert len(server.received) == 1

    def test_429_counts_although_its_body_is_a_page(self, bench, server):
        server.play(html_reply(429, Retry_After="3"))
        error = failure_of_write(bench)
        assert isinstance(error, ThrottledError)
        assert error.retry_after_seconds == 3


class TestReads:
    @pytest.mark.parametrize(
        "first",
        [Reply(502), Reply(503), Reply(504), html_reply(200), html_reply(404)]
        + [Reply(200, {}, b"x" * 100, kind) for kind in ("reset", "close", "cut", "silence")],
    )
    def test_a_read_without_an_answer_is_repeated(self, bench, server, first):
        server.play(first, OK)
        assert bench.read().status == 200
        assert bench.clock.slept == [1.0]
        assert bench.meter.snapshot() == {"dataverse": 0, "fno": 2, "fno_operations": 2}

    def test_a_read_is_given_up_after_three_attempts(self, bench, server):
        server.play(Reply(503), html_reply(502), Reply(504), OK)
        error = failure_of_read(bench)
        assert isinstance(error, UnavailableError)
        assert error.status == 504
        assert bench.clock.slept == [1.0, 2.0]
        assert len(server.received) == 3

    def test_the_wait_between_attempts_is_spread(self, server):
        server.play(Reply(503), OK)
        bench = Bench(server.url)
        bench.transport._jitter = lambda: 0.25
        with bench.transport:
            bench.read()
        assert bench.clock.slept == [0.25]

    def test_a_short_retry_after_is_waited_for(self, bench, server):
        server.play(Reply(503, {"Retry-After": "4"}), OK)
        bench.read()
        assert bench.clock.slept == [4.0]

    def test_a_long_retry_after_is_left_to_the_queue(self, bench, server):
        server.play(Reply(503, {"Retry-After": "60"}), OK)
        error = failure_of_read(bench)
        assert isinstance(error, UnavailableError)
        assert error.retry_after_seconds == 60
        assert bench.clock.slept == []

    def test_an_html_page_is_survived_and_named(self, bench, server):
        server.play(*[html_reply(503)] * 3)
        assert str(failure_of_read(bench)) == (
            "fno answered 503 to GET /data/Set: "
            "an HTML page was returned instead of an answer of the service."
        )

    @pytest.mark.parametrize("status", [200, 400, 403, 404, 410, 500])
    def test_a_readable_answer_is_returned_whatever_its_status(self, bench, server, status):
        server.play(error_reply(status, "0x1", "Words"))
        assert bench.read().status == status
        assert len(server.received) == 1

    def test_a_redirect_is_an_error_and_not_followed(self, bench, server):
        server.play(Reply(302, {"Location": f"{server.url}/data/Other"}), OK)
        error = failure_of_read(bench)
        assert isinstance(error, ServiceRefusedError)
        assert error.code == "redirected"
        assert str(error) == (
            "fno redirects GET /data/Set with 302, expected an answer. Redirects are not "
            "followed, since the token would go along: check the service's URL in the settings."
        )
        assert len(server.received) == 1


class TestWrites:
    @pytest.mark.parametrize(
        ("lost", "words"),
        [
            (Reply(breakage="reset"), "the connection was reset"),
            (Reply(breakage="close"), "the connection was closed without an answer"),
            (Reply(200, {}, b"x" * 100, "cut"), "the answer was cut short"),
            (Reply(breakage="silence"), "no answer in time"),
        ],
    )
    def test_a_write_whose_answer_is_lost_is_unknown_and_sent_once(
        self, bench, server, lost, words
    ):
        server.play(lost, Reply(204))
        error = failure_of_write(bench)
        assert isinstance(error, AnswerUnknownError)
        assert str(error) == f"fno gave no answer to PATCH /data/Set: {words}."
        assert len(server.received) == 1
        assert bench.clock.slept == []

    @pytest.mark.parametrize(
        "reply", [html_reply(200), html_reply(403), html_reply(503), Reply(302), Reply(304)]
    )
    def test_what_is_no_answer_of_the_service_leaves_a_write_unknown(self, bench, server, reply):
        server.play(reply)
        assert isinstance(failure_of_write(bench), AnswerUnknownError)
        assert len(server.received) == 1

    def test_a_page_is_not_quoted(self, bench, server):
        server.play(html_reply(502))
        assert "secret" not in str(failure_of_write(bench))

    def test_a_refused_connection_means_nothing_was_carried_out(self):
        bench = Bench(f"http://127.0.0.1:{closed_port()}")
        with bench.transport:
            error = failure_of_write(bench)
        assert isinstance(error, UnavailableError)
        assert str(error) == "fno gave no answer to PATCH /data/Set: the connection was refused."
        assert bench.meter.snapshot()["fno"] == 1

    def test_an_unknown_host_means_nothing_was_carried_out(self, monkeypatch):
        def not_found(*_args, **_options):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", not_found)
        bench = Bench("https://fno.example.invalid")
        with bench.transport:
            error = failure_of_write(bench)
        assert isinstance(error, UnavailableError)
        assert str(error).endswith("PATCH /data/Set: its host name was not found.")

    def test_a_tls_failure_means_nothing_was_carried_out(self, server):
        bench = Bench(server.url.replace("http://", "https://"))
        with bench.transport:
            error = failure_of_write(bench)
        assert isinstance(error, UnavailableError)
        assert str(error).endswith("PATCH /data/Set: TLS failed: check the certificate.")
        assert server.received == []

    def test_a_connection_that_is_never_accepted_means_nothing_was_carried_out(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            # TLS is never answered: the time for connecting runs out.
            listener.listen(1)
            bench = Bench(f"https://127.0.0.1:{listener.getsockname()[1]}")
            with bench.transport:
                error = failure_of_write(bench)
        assert isinstance(error, UnavailableError)

    def test_a_write_that_is_too_late_is_not_sent(self, bench, server):
        error = failure_of_write(bench, send_before=bench.clock.time)
        assert isinstance(error, UnavailableError)
        assert error.code == "too-late"
        assert str(error) == "fno: PATCH /data/Set was not sent, its time was over."
        assert server.received == []
        assert bench.meter.snapshot()["fno"] == 0

    def test_a_write_that_becomes_too_late_while_connecting_is_not_sent(self, bench, server):
        start = bench.clock.time
        times = iter([start, start + 100])
        bench.clock.monotonic = lambda: next(times)
        error = failure_of_write(bench, send_before=start + 50)
        assert error.code == "too-late"
        assert all(request.body == b"" for request in server.received)

    def test_a_token_is_fetched_before_the_time_is_checked(self, bench, server):
        def slow_token(*, force_refresh):
            bench.clock.time += 100
            return "token"

        bench.transport._get_token = slow_token
        assert failure_of_write(bench, send_before=bench.clock.time + 50).code == "too-late"
        assert server.received == []

    def test_a_write_without_a_body_is_refused(self, bench):
        with pytest.raises(ValueError, match="without a body"):
            bench.transport.write("POST", bench.transport.root + "/data/Set", {}, b"")


@pytest.mark.parametrize("failure", [failure_of_read, failure_of_write])
@pytest.mark.parametrize("reply", [Reply(429), html_reply(503), Reply(breakage="reset")])
def test_no_error_tells_keys_or_tokens(bench, server, failure, reply):
    server.play(*[reply] * 3)
    error = failure(bench)
    assert isinstance(error, RetryLaterError)
    told = "".join(traceback.format_exception(error))
    assert "secret-key" not in told
    assert "token-1" not in told


def test_operations_within_requests_are_counted(bench, server):
    server.play(Reply(200), OK)
    bench.write(operations=40)
    bench.read()
    assert bench.meter.snapshot() == {"dataverse": 0, "fno": 2, "fno_operations": 41}


def test_threads_share_a_transport(server):
    server.play(*[OK] * 40)
    bench = Bench(server.url, limits=Limits(connections=2, connect_seconds=5, read_seconds=5))

    def work():
        for _ in range(10):
            bench.read()

    threads = [threading.Thread(target=work) for _ in range(4)]
    deadline = time.monotonic() + 20
    with bench.transport:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
    assert len(server.received) == 40
    assert bench.meter.snapshot()["fno"] == 40


class TestLargeAnswers:
    def test_the_body_goes_to_the_file_and_only_its_beginning_is_kept(self, bench, server):
        body = b"x" * (3 * PIECE_BYTES)
        server.play(Reply(200, {}, body))
        with tempfile.TemporaryFile() as file:
            file.write(b"older and longer than nothing")
            answer = bench.transport.read(f"{bench.transport.root}/data/Set", {}, into=file)
            file.seek(0)
            assert file.read() == body
        assert answer.status == 200
        assert 0 < len(answer.body) <= PIECE_BYTES

    @pytest.mark.parametrize("first", [html_reply(200), Reply(200, {}, b"begun", breakage="cut")])
    def test_what_a_failed_attempt_left_is_not_in_the_file(self, bench, server, first):
        server.play(first, Reply(200, {}, b"whole"))
        with tempfile.TemporaryFile() as file:
            bench.transport.read(f"{bench.transport.root}/data/Set", {}, into=file)
            file.seek(0)
            assert file.read() == b"whole"
