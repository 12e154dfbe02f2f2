"""`resync`: chosen rows or all, compared with what F&O holds when forced."""

import requests


def counts(document) -> dict[str, int]:
    found = document["templates"]["accounts"]["tasks"]["Accounts - Customers"]
    return {name: count for name, count in found.items() if count}


def edit_in_fno(world, number: str) -> None:
    """Somebody changes the customer's name in F&O itself."""
    url = f"{world.sandbox.fno_url}/data/CustomersV2(dataAreaId='usmf',CustomerAccount='{number}')"
    headers = {"Authorization": "Bearer test"}
    params = {"cross-company": "true"}
    body = {"OrganizationName": "Changed in F&O"}
    answer = requests.patch(url, json=body, headers=headers, params=params, timeout=20)
    assert answer.ok, answer.text


def name_of(world, number: str) -> str:
    (found,) = [
        record["OrganizationName"]
        for record in world.sandbox.fno_records("CustomersV2")
        if record["CustomerAccount"] == number
    ]
    return found


def test_only_the_chosen_row_is_brought_over(world) -> None:
    row = world.account(accountnumber="A1")
    world.account(accountnumber="A2")
    done = world.document("resync", "accounts", row)
    assert list(done["templates"]) == ["accounts"]
    assert counts(done) == {"read": 1, "created": 1}
    assert [found["CustomerAccount"] for found in world.sandbox.fno_records("CustomersV2")] == [
        "A1"
    ]


def test_a_row_may_be_named_in_braces_and_upper_case(world) -> None:
    row = world.account(accountnumber="A1")
    assert counts(world.document("resync", "accounts", f"{{{row.upper()}}}")) == {
        "read": 1,
        "created": 1,
    }


def test_without_rows_everything_is_brought_up_to_date(world) -> None:
    for number in range(3):
        world.account(accountnumber=f"A{number}")
    assert counts(world.document("resync", "accounts")) == {"read": 3, "created": 3}
    assert counts(world.document("resync", "accounts")) == {"read": 3, "unchanged": 3}


def test_a_value_changed_in_fno_is_overwritten_only_by_force(world) -> None:
    row = world.account(accountnumber="A1", name="Fjord")
    world.document("run", "accounts")
    edit_in_fno(world, "A1")
    assert counts(world.document("resync", "accounts", row)) == {"read": 1, "unchanged": 1}
    assert name_of(world, "A1") == "Changed in F&O"
    assert counts(world.document("resync", "accounts", row, "--force")) == {
        "read": 1,
        "updated": 1,
    }
    assert name_of(world, "A1") == "Fjord"


def test_force_over_all_rows_mends_what_was_changed_in_fno(world) -> None:
    world.account(accountnumber="A1", name="Fjord")
    world.account(accountnumber="A2")
    world.document("run", "accounts")
    edit_in_fno(world, "A1")
    done = world.document("resync", "accounts", "--force")
    assert counts(done) == {"read": 2, "updated": 1, "unchanged": 1}
    assert name_of(world, "A1") == "Fjord"


def test_a_row_that_sales_does_not_have_counts_as_deleted(world) -> None:
    row = "5c1ec0de-0000-4000-8000-000000000001"
    assert counts(world.document("resync", "accounts", row)) == {"read": 1, "deleted": 1}


def test_a_row_that_is_no_id_is_wrong_use(world) -> None:
    done = world.p2c("resync", "accounts", "ACC-01000")
    assert done.exit_code == 2
    assert done.stderr.startswith("ROW: found 'ACC-01000'; expected the id of a row in Sales")


def test_a_template_is_needed(world) -> None:
    assert world.p2c("resync").exit_code == 2


def test_the_execution_is_recorded_as_a_resync(world) -> None:
    done = world.document("resync", "accounts")
    (execution,) = world.document("status")["executions"]
    assert execution["execution_id"] == done["execution_id"]
    assert execution["trigger"] == "resync"
    assert execution["status"] == "Completed"
