"""`rejected list` and `rejected retry`."""

import json

import pytest

from p2c.errors import UnavailableError
from p2c.sync.rejected import rejected_rows

KEYS = ["template", "task", "row", "key", "code", "reason", "since", "execution_id"]


@pytest.fixture
def rejected(world) -> dict[str, str]:
    """Three accounts rejected for two reasons, and one that is well; reason to a row."""
    rows = {
        "country": world.account(accountnumber="A1", address1_country="Atlantis"),
        "other country": world.account(accountnumber="A2", address1_country="Utopia"),
        "name": world.account(accountnumber="A3", name="N" * 101),
        "well": world.account(accountnumber="A4"),
    }
    world.run = world.document("run", "accounts", status=1)
    return rows


def test_the_list_names_what_is_wrong_with_each_row(world, rejected) -> None:
    found = {row["row"]: row for row in world.document("rejected", "list")}
    assert set(found) == {rejected["country"], rejected["other country"], rejected["name"]}
    row = found[rejected["country"]]
    assert list(row) == KEYS
    assert row["template"] == "accounts"
    assert row["task"] == "Accounts - Customers"
    assert row["code"] == "value-not-mapped"
    assert "'Atlantis'" in row["reason"]
    assert row["execution_id"] == world.run["execution_id"]
    assert row["since"].startswith("20")


def test_the_reason_carries_the_words_of_the_service(world) -> None:
    world.account(accountnumber="A1", **{"transactioncurrencyid@odata.bind": None})
    world.document("run", "accounts", status=2)
    (row,) = world.document("rejected", "list")
    assert "Field 'Currency' must be filled in." in row["reason"]


def test_the_plain_list_names_the_same(world, rejected) -> None:
    shown = world.p2c("rejected", "list").stdout
    for row in world.document("rejected", "list"):
        for name in ("template", "task", "row", "code", "reason", "execution_id", "since"):
            assert row[name] in shown
    assert shown.endswith("3 rejected rows\n")


def test_the_list_can_be_of_one_template(world, rejected) -> None:
    assert world.document("rejected", "list", "contacts") == []
    assert len(world.document("rejected", "list", "accounts")) == 3


def test_a_retried_row_is_read_anew_by_the_next_run(world, rejected) -> None:
    world.change(f"accounts({rejected['name']})", name="Short")
    assert world.document("rejected", "retry", rejected["name"])["queued"] == 1
    done = world.document("run", "accounts")
    counts = done["templates"]["accounts"]["tasks"]["Accounts - Customers"]
    # Named by the retry and by the edit, it counts once.
    assert (counts["read"], counts["rejected"]) == (1, 0)
    names = [found["OrganizationName"] for found in world.sandbox.fno_records("CustomersV2")]
    assert sorted(names) == ["Fjord", "Short"]
    left = {row["row"] for row in world.document("rejected", "list")}
    assert left == {rejected["country"], rejected["other country"]}


def execution(state, execution_id: str) -> dict:
    return next(one for one in state["executions"] if one["execution_id"] == execution_id)


def test_a_retry_only_queues_until_something_runs(world, rejected) -> None:
    retried = world.document("rejected", "retry", "--all")
    assert retried["queued"] == 3
    state = world.document("status")
    assert state["queues"]["accounts"]["messages"] > 0
    assert execution(state, retried["execution_id"])["status"] == "Running"
    world.document("run", "accounts", status=2)
    summary = execution(world.document("status"), retried["execution_id"])
    counts = summary["templates"]["accounts"]["tasks"]["Accounts - Customers"]
    assert (counts["read"], counts["rejected"]) == (3, 3)


def test_rows_of_one_code_are_retried_alone(world, rejected) -> None:
    assert world.document("rejected", "retry", "--code", "value-not-mapped")["queued"] == 2


def test_nothing_rejected_is_nothing_to_retry(world) -> None:
    assert world.document("rejected", "retry", "--all") == {
        "execution_id": None,
        "queued": 0,
        "not_rejected": [],
    }
    assert world.p2c("rejected", "retry", "--all").stdout == "No row is rejected.\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "rejected retry: expected either ROW..., --code CODE or --all."),
        (("--all", "--code", "x"), "rejected retry: expected either ROW..., --code CODE or --all."),
        (("--code", "x"), "--code: found 'x', for which no row is rejected; expected one of: "),
        (("A1",), "ROW: found 'A1'; expected the id of a row in Sales"),
    ],
)
def test_a_wrong_choice_is_wrong_use(world, rejected, words, message) -> None:
    done = world.p2c("rejected", "retry", *words)
    assert done.exit_code == 2
    assert done.stderr.startswith(message)


def test_a_row_that_is_not_rejected_any_more_is_not_queued_and_that_is_said(world, rejected):
    done = world.document("rejected", "retry", rejected["well"], rejected["country"], status=1)
    assert (done["queued"], done["not_rejected"]) == (1, [rejected["well"]])
    done = world.p2c("rejected", "retry", rejected["well"])
    assert done.exit_code == 1
    assert done.stdout == (
        f"{rejected['well']} is not rejected, so it was not queued; 'resync' takes any row.\n"
    )


def test_a_retry_can_be_of_one_template(world, rejected):
    assert world.document("rejected", "retry", "--all", "--template", "contacts")["queued"] == 0
    assert world.document("rejected", "retry", "--all", "--template", "accounts")["queued"] == 3


def test_a_template_that_is_not_there_is_wrong_use(world):
    done = world.p2c("rejected", "retry", "--all", "--template", "acounts")
    assert done.exit_code == 2
    assert done.stderr.startswith("TEMPLATE: found 'acounts'; expected one of accounts, ")


def test_a_retry_may_process_its_rows_at_once(world, rejected):
    world.change(f"accounts({rejected['country']})", address1_country="Norway")
    ids = rejected["country"], rejected["name"], rejected["well"]
    done = world.p2c("rejected", "retry", *ids, "--run", "--json")
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    counts = document["templates"]["accounts"]["tasks"]["Accounts - Customers"]
    assert (counts["read"], counts["created"], counts["rejected"]) == (2, 1, 1)
    left_out = (
        f"{rejected['well']} is not rejected, so it was not queued; 'resync' takes any row.\n"
    )
    assert left_out in done.stderr
    state = world.document("status")
    assert state["queues"]["accounts"]["messages"] == 0
    assert execution(state, document["execution_id"])["status"] == "Warning"


def test_a_row_that_was_not_queued_is_a_warning_also_where_the_others_go_well(world, rejected):
    world.change(f"accounts({rejected['country']})", address1_country="Norway")
    ids = rejected["country"], rejected["well"]
    assert world.document("rejected", "retry", *ids, "--run", status=1)["status"] == "Warning"


def test_the_list_can_be_of_one_code(world, rejected):
    assert len(world.document("rejected", "list", "--code", "value-not-mapped")) == 2
    assert world.document("rejected", "list", "--code", "no-such-code") == []
    shown = world.p2c("rejected", "list", "--code", "value-too-long").stdout
    assert shown.endswith("1 rejected rows\n")


def test_an_error_midway_is_the_one_document_and_ends_with_status_2(world, rejected, monkeypatch):
    def broken(*_args, **_options):
        yield from list(rejected_rows(*_args, **_options))[:1]
        raise UnavailableError("storage is away", service="storage")

    monkeypatch.setattr("p2c.cli.rejected.rejected_rows", broken)
    done = world.p2c("rejected", "list", "--json")
    assert done.exit_code == 2
    assert done.stderr == "storage is away [service-unavailable]\n"
    assert json.loads(done.stdout) == {
        "status": "Error",
        "error": {"code": "service-unavailable", "message": "storage is away"},
    }
