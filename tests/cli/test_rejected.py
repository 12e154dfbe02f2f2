"""`rejected list` and `rejected retry`."""

import pytest

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
    assert world.document("rejected", "retry", "--all") == {"execution_id": None, "queued": 0}
    assert world.p2c("rejected", "retry", "--all").stdout == "No row is rejected.\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "rejected retry: expected either ROW..., --code CODE or --all."),
        (("--all", "--code", "x"), "rejected retry: expected either ROW..., --code CODE or --all."),
        (("--code", "x"), "--code: found 'x', for which no row is rejected; expected one of: "),
        (("5c1ec0de-0000-4000-8000-000000000001",), "ROW: 5c1ec0de-0000-4000-8000-000000000001 is"),
        (("A1",), "ROW: found 'A1'; expected the id of a row in Sales"),
    ],
)
def test_a_wrong_choice_is_wrong_use(world, rejected, words, message) -> None:
    done = world.p2c("rejected", "retry", *words)
    assert done.exit_code == 2
    assert done.stderr.startswith(message)


def test_a_row_that_is_well_cannot_be_retried(world, rejected) -> None:
    done = world.p2c("rejected", "retry", rejected["well"])
    assert done.exit_code == 2
    assert done.stderr == (
        f"ROW: {rejected['well']} is not rejected. 'rejected list' names those that are; 'resync' "
        "brings any row up to date. [row-not-rejected]\n"
    )
