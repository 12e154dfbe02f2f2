"""The command line as a process: help, exit status, signals, and the sandbox command."""

import json
import signal

import pytest
import requests
from typer.testing import CliRunner

from p2c.cli.main import commands
from p2c.sandbox import DemoSize, Start


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["run"],
        ["resync"],
        ["status"],
        ["rejected"],
        ["rejected", "list"],
        ["check"],
        ["templates"],
        ["sandbox"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_explains_itself(words, option) -> None:
    done = CliRunner().invoke(commands, [*words, option])
    assert done.exit_code == 0
    assert "Usage:" in done.stdout


def test_an_unknown_command_is_wrong_use() -> None:
    done = CliRunner().invoke(commands, ["sync"])
    assert done.exit_code == 2
    assert "sync" in done.stderr


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["run", "--bogus"], "No such option: --bogus See --help."),
        (["resync"], "Missing argument 'template'. See --help."),
    ],
    ids=["option", "argument"],
)
def test_wrong_use_is_one_json_document_when_json_is_asked_for(world, words, found) -> None:
    with world.process(*words, "--json") as process:
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert json.loads(stdout) == {
        "status": "Error",
        "error": {"code": "usage-wrong", "message": found},
    }
    assert stderr == f"{found} [usage-wrong]\n"


def test_the_process_ends_with_the_status_and_prints_one_document(world) -> None:
    world.account(accountnumber="A1", address1_country="Atlantis")
    world.account(accountnumber="A2")
    with world.process("run", "--json") as process:
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert json.loads(stdout)["status"] == "Warning"
    assert "accounts: Accounts - Customers: 2 rows to look at\n" in stderr


def test_a_process_with_a_broken_setting_shows_no_traceback(world) -> None:
    world.settings["P2C_LEGAL_ENTITY"] = "too long"
    with world.process("status") as process:
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert stdout == ""
    assert stderr.startswith("P2C_LEGAL_ENTITY: found 'too long'")
    assert "Traceback" not in stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_says_so_and_the_next_one_goes_on(world, how) -> None:
    world.sandbox.reset(Start(data="demo", demo=DemoSize(accounts=60, contacts=0)))
    world.sandbox.set_latency(fno={"request_ms": 300, "operation_ms": 20})
    with world.process("run", "accounts", "--json") as process:
        assert process.stderr.readline().startswith("accounts:")
        process.send_signal(how)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert json.loads(stdout)["status"] == "Error"
    assert "The run was interrupted" in stderr
    assert "Traceback" not in stderr
    world.sandbox.set_latency(fno={"request_ms": 0, "operation_ms": 0})
    world.document("run", "accounts", status=1)
    numbers = {row["accountnumber"] for row in world.sandbox.dataverse_rows("accounts")} - {None}
    rejected = {row["row"] for row in world.document("rejected", "list")}
    records = world.sandbox.fno_records("CustomersV2")
    assert len(records) == len(numbers) - len(rejected)


def test_the_sandbox_serves_until_it_is_stopped(world) -> None:
    with world.process("sandbox", "--accounts", "3", "--contacts", "5", "--json") as process:
        addresses = json.loads(process.stdout.readline())
        for name, count in (("accounts", 3), ("contacts", 5)):
            answer = requests.get(
                f"{addresses['dataverse_url']}/sandbox/records/{name}", timeout=20
            )
            assert len(answer.json()["value"]) == count
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Set P2C_DATAVERSE_URL and P2C_FNO_URL to the addresses below" in stderr
