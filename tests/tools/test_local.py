"""What `make local` runs is what the sample of the settings names, and ends without a trace."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from p2c.settings import SCHEDULE_PREFIX, load_settings, schedule_setting
from p2c.templates import shipped_names
from tools.local import PORTS, PortError, check_ports, settings
from tools.processes import Addresses

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))
FREE = [word for service in PORTS for word in (f"--{service}-port", "0")]
on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="finds processes in /proc, which only Linux has"
)


@contextmanager
def running(mark: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run both with a small company; every process that is started inherits the mark."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.local", *FREE, "--", "--accounts", "5", "--contacts", "0"],
        cwd=ROOT,
        env=os.environ | {"P2C_TEST_MARK": mark},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline().endswith('In local.settings.json, "Values":\n')
        lines = [process.stdout.readline() for _ in range(5)]
        yield process, json.loads("".join(lines))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def marked(mark: str) -> list[int]:
    """The processes that carry the mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # It has ended meanwhile, or is another user's.
            continue
    return found


def await_end(mark: str) -> None:
    deadline = time.monotonic() + 20
    while marked(mark):
        assert time.monotonic() < deadline, marked(mark)


def p2c(path: Path, *words: str) -> tuple[int, str]:
    """Call a command as docs/local.md shows it."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("P2C_", "AzureWebJobsStorage"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "tools.p2c", "--settings", str(path), *words],
        cwd=ROOT,
        env=mine,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


@on_linux
def test_a_session_with_the_commands_works_and_leaves_nothing(tmp_path):
    mark = uuid.uuid4().hex
    path = tmp_path / "local.settings.json"
    with running(mark) as (process, printed):
        path.write_text(json.dumps(SAMPLE | {"Values": SAMPLE["Values"] | printed}), "utf-8")
        assert p2c(path, "check")[0] == 0
        _, said = p2c(path, "run", "accounts", "--json")
        (counts,) = json.loads(said)["templates"]["accounts"]["tasks"].values()
        assert counts["read"] == 5
        assert counts["created"] > 0

        answer = requests.get(f"{printed['P2C_FNO_URL']}/sandbox/records/CustomersV2", timeout=10)
        number = answer.json()["value"][0]["CustomerAccount"]
        accounts = f"{printed['P2C_DATAVERSE_URL']}/api/data/v9.2/accounts"
        headers = {"Authorization": "Bearer any"}
        query = {"$select": "accountid", "$filter": f"accountnumber eq '{number}'"}
        found = requests.get(accounts, query, headers=headers, timeout=10).json()["value"]
        change = requests.patch(
            f"{accounts}({found[0]['accountid']})",
            json={"telephone1": "+47 1"},
            headers=headers,
            timeout=10,
        )
        assert change.status_code == 204
        status, said = p2c(path, "run", "accounts", "--json")
        (counts,) = json.loads(said)["templates"]["accounts"]["tasks"].values()
        assert (status, counts["read"], counts["updated"]) == (0, 1, 1)
        status, said = p2c(path, "explain", number)
        assert status == 0
        assert number in said

        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        await_end(mark)


@on_linux
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGKILL"])
def test_however_it_is_stopped_no_process_is_left(name):
    mark = uuid.uuid4().hex
    with running(mark) as (process, _):
        assert len(marked(mark)) > 2
        process.send_signal(getattr(signal, name))
        assert process.wait(20) == (-signal.SIGKILL if name == "SIGKILL" else 0)
        await_end(mark)


def test_the_sample_leads_to_what_is_run():
    ports = {service: port for service, (port, _) in PORTS.items()}
    addresses = Addresses(*(f"http://127.0.0.1:{ports[name]}" for name in ("dataverse", "fno")))
    expected = settings("made up", addresses, ports)
    assert {name: SAMPLE["Values"][name] for name in expected} == expected
    # Another port than the usual is in no short form.
    assert settings("made up", addresses, ports | {"table": 1})["AzureWebJobsStorage"] == "made up"


def test_the_sample_s_settings_are_right_and_complete_for_the_host():
    values = SAMPLE["Values"]
    found = load_settings(values)
    assert (found.credential, found.legal_entity) == ("sandbox", "usmf")
    schedules = {name for name in values if name.startswith(SCHEDULE_PREFIX)}
    assert schedules == {schedule_setting(name) for name in shipped_names()}
    assert values["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert SAMPLE["IsEncrypted"] is False


def test_every_port_that_is_taken_is_named_with_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("", 0)) as other:
        queues, fno = one.getsockname()[1], other.getsockname()[1]
        with pytest.raises(PortError) as raised:
            check_ports({"blob": 0, "queue": queues, "fno": fno})
        process = subprocess.run(
            [sys.executable, "-m", "tools.local", *FREE, "--queue-port", str(queues)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    said = str(raised.value)
    assert f"Port {queues}, wanted for Azurite's queues (--queue-port), is taken.\n" in said
    assert f"Port {fno}, wanted for the sandbox's F&O (--fno-port), is taken.\n" in said
    assert f"lsof -nP -iTCP:{queues} " in said
    assert "'python -m tools.local --queue-port 0 --fno-port 0'" in said
    assert "blob" not in said
    assert (process.returncode, process.stdout) == (2, "")
    assert f"Port {queues}," in process.stderr


def test_a_port_that_was_used_a_moment_ago_is_free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # Closed from this side first, it lingers.
            assert client.recv(1) == b""
    check_ports({"fno": port})
