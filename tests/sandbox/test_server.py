"""Starting and stopping, in the same process and as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import requests

from p2c.sandbox import Fault, Sandbox


def test_stopping_closes_the_ports_and_ends_the_thread():
    before = set(threading.enumerate())
    with Sandbox() as sandbox:
        url = sandbox.fno_url
        sandbox.add_faults(Fault(effect="late", seconds=60))
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{url}/data/Companies", timeout=20)
    assert set(threading.enumerate()) <= before
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/data/Companies", timeout=20)


def test_a_sandbox_can_be_started_again_on_the_same_ports():
    with Sandbox() as first:
        port = int(first.dataverse_url.rpartition(":")[2])
    with Sandbox(dataverse_port=port, fno_page_size=5) as second:
        answer = requests.get(f"{second.dataverse_url}/sandbox/switches", timeout=20)
    assert second.dataverse_url == first.dataverse_url
    assert answer.json()["fno_page_size"] == 5


def test_a_port_in_use_is_named():
    with Sandbox() as first:
        port = int(first.fno_url.rpartition(":")[2])
        with pytest.raises(OSError, match=f"cannot open port {port}.*Choose another port"):
            Sandbox(fno_port=port).start()


def test_many_small_requests_on_one_connection_are_answered_at_once():
    with Sandbox() as sandbox, requests.Session() as session:
        session.headers["Authorization"] = "Bearer test"
        url = f"{sandbox.fno_url}/data/Companies"
        took = []
        for _ in range(20):
            begun = time.monotonic()
            session.get(url, timeout=20)
            took.append(time.monotonic() - begun)
    # Nagle's algorithm and delayed acknowledgements together would cost 40 ms each.
    assert sorted(took)[10] < 0.03


@pytest.mark.parametrize("as_json", [True, False])
def test_the_process_prints_its_addresses_and_stops_on_sigterm(as_json):
    command = [sys.executable, "-m", "p2c.sandbox", "--accounts", "3", "--contacts", "4"]
    process = subprocess.Popen(
        command + ["--json"] * as_json, stdout=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        if as_json:
            addresses = json.loads(process.stdout.readline())
        else:
            lines = [process.stdout.readline().split() for _ in range(2)]
            addresses = {f"{name}_url": url for name, url in lines}
        rows = requests.get(f"{addresses['fno_url']}/sandbox/records/contacts", timeout=20)
        assert len(rows.json()["value"]) == 4
        assert requests.get(addresses["dataverse_url"], timeout=20).status_code == 401
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_the_process_says_which_port_is_in_use():
    with Sandbox() as first:
        port = first.fno_url.rpartition(":")[2]
        command = [sys.executable, "-m", "p2c.sandbox", "--empty", "--fno-port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"The sandbox cannot open port {port}: ")
