"""The command line as a process: help, exit status, signals, and the sandbox command."""

import json
import signal

import pytest
import requests
import typer
from typer.testing import CliRunner

from p2c.cli.common import errors
from p2c.cli.main import carried_out, commands
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
        (["run", "--bogus"], "No such option: --bogus. See --help."),
        (["resync"], "Missing argument 'template'. See --help."),
        (
            ["explain", b"\xff"],
            "Word 2: found '?', bytes that are no text in this terminal's encoding. See --help.",
        ),
    ],
    ids=["option", "argument", "bytes"],
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


@pytest.mark.parametrize("as_json", [True, False])
def test_what_nobody_foresaw_is_an_error_and_no_warning(capsys, as_json) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def broken() -> None:
        raise ZeroDivisionError("unforeseen")

    assert carried_out(app, [], as_json=as_json) == 2
    stdout, stderr = capsys.readouterr()
    said = "p2c failed for a reason it does not know: ZeroDivisionError"
    if as_json:
        assert json.loads(stdout) == {
            "status": "Error",
            "error": {"code": "error", "message": said},
        }
    else:
        assert stdout == ""
    assert stderr.endswith(f"ZeroDivisionError: unforeseen\n{said} [error]\n")


def test_an_interrupt_is_one_json_document_too(capsys) -> None:
    app = typer.Typer()

    @app.command()
    def interrupted() -> None:
        with errors(as_json=True):
            raise KeyboardInterrupt

    assert carried_out(app, [], as_json=True) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "run-interrupted"


def test_any_name_can_be_printed_whatever_the_encoding(world, monkeypatch) -> None:
    monkeypatch.setitem(world.settings, "PYTHONIOENCODING", "ascii")
    world.account(accountnumber="Ærø 漢")
    with world.process("explain", "Ærø 漢", "--json", text=False) as process:
        stdout, _ = process.communicate(timeout=60)
    assert json.loads(stdout.decode())["rows"][0]["number"] == "Ærø 漢"
    with world.process("explain", "Ærø 漢") as process:
        stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert stdout.startswith("Account ?r? ? was never looked at by 'accounts'.")


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


def test_a_sandbox_whose_port_is_taken_says_so(world) -> None:
    port = world.sandbox.fno_url.rpartition(":")[2]
    with world.process("sandbox", "--empty", "--fno-port", port, "--json") as process:
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    error = json.loads(stdout)["error"]
    assert error["code"] == "request-invalid"
    assert error["message"].startswith(f"The sandbox cannot open port {port}: ")
    assert "Traceback" not in stderr


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
