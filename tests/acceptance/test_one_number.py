"""Two rows with one number, as a user of the commands meets and mends them."""

import json

from tests.acceptance.oracle import assert_in_step


def rejected(company) -> list[dict[str, str]]:
    return json.loads(company.p2c("rejected", "list", "--json").stdout)


def test_the_second_row_is_rejected_until_the_first_gives_the_number_up(company) -> None:
    first = company.account("A1", name="First")
    company.run()
    second = company.account("A1", name="Second")
    contact = company.contact("A1", None, msdynce_isactivecustomer=True)
    document = company.run(status=1)
    assert document["status"] == "Warning"
    assert company.counts(document, "accounts") == {"read": 1, "rejected": 1}
    assert company.counts(document, "contacts-to-customer") == {"read": 1, "rejected": 1}
    assert {(row["row"], row["code"]) for row in rejected(company)} == {
        (second, "number-taken"),
        (contact, "number-taken"),
    }
    for row in rejected(company):
        assert first in row["reason"]
        assert row["key"] in row["reason"]
    assert_in_step(company, without={second, contact})

    company.change("accounts", first, accountnumber="A2")
    company.run()
    assert company.p2c("rejected", "retry", second).exit_code == 0
    company.run()
    assert company.p2c("rejected", "retry", "--code", "number-taken").exit_code == 0
    company.run(status=2)
    assert [row["row"] for row in rejected(company)] == [contact]
    assert second in rejected(company)[0]["reason"]
    assert_in_step(company, without={contact})

    company.delete("contacts", contact)
    company.run()
    assert rejected(company) == []
    assert_in_step(company)


def test_two_new_rows_with_one_number_end_in_the_same_run(company) -> None:
    rows = {company.account("A1", name="Same") for _ in range(5)}
    document = company.run("accounts", status=1)
    assert company.counts(document, "accounts") == {"read": 5, "created": 1, "rejected": 4}
    losers = {row["row"] for row in rejected(company)}
    assert_in_step(company, without=losers)
    (winner,) = rows - losers
    assert all(winner in row["reason"] for row in rejected(company))
    writes = company.fno_writes()
    company.run("accounts", "--all-data", status=1)
    assert company.fno_writes() == writes
    assert {row["row"] for row in rejected(company)} == losers


def test_numbers_that_were_swapped_are_swapped_in_fno_too(company) -> None:
    one, other = company.account("A1"), company.account("A2")
    company.run()
    company.change("accounts", one, accountnumber="A2", name="One")
    company.change("accounts", other, accountnumber="A1", name="Other")
    company.run()
    assert_in_step(company)
