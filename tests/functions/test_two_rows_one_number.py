"""Two rows of Sales with one number, through timers and queues: the first keeps the record."""

from p2c.sync.rejected import Choice, rejected_rows, retry_rejected
from tests.host.needs import needs_worker

pytestmark = needs_worker


def enumerate_and_wait(world, *templates):
    for template in templates:
        assert world.host.run_timer(f"enumerate_{template.replace('-', '_')}").ok
    world.host.wait_until(lambda: not any(world.count(template) for template in templates))


def retry_and_wait(world, template):
    runtime = world.app.runtime
    retry_rejected(runtime, Choice(templates=(template,)), trigger="retry")
    world.host.wait_until(lambda: world.count(template) == 0)


def only_rejected(world):
    (rejected,) = rejected_rows(world.app.runtime)
    assert rejected.code == "number-taken"
    return rejected


def test_the_second_of_two_accounts_is_rejected_and_takes_over_what_the_first_gives_up(world):
    first = world.account("ACC-1", name="First")
    enumerate_and_wait(world, "accounts")
    second = world.account("ACC-1", name="Second")
    enumerate_and_wait(world, "accounts")
    rejected = only_rejected(world)
    assert rejected.row == second
    assert rejected.key == "CustomersV2(dataAreaId=usmf,CustomerAccount=ACC-1)"
    for named in (f"account {first}", f"account {second}", rejected.key):
        assert named in rejected.reason
    assert world.customer("ACC-1")["OrganizationName"] == "First"

    assert world.dataverse.patch(f"accounts({first})", {"accountnumber": "ACC-2"}).ok
    enumerate_and_wait(world, "accounts")
    retry_and_wait(world, "accounts")
    assert list(rejected_rows(world.app.runtime)) == []
    assert world.customer("ACC-1")["OrganizationName"] == "Second"
    assert world.customer("ACC-2")["OrganizationName"] == "First"


def test_a_contact_that_is_a_customer_may_not_have_the_number_of_an_account(world):
    account = world.account("N-1", name="The account")
    enumerate_and_wait(world, "accounts")
    # Of another account: Dataverse deletes an account's contacts with it.
    other = world.account("N-2")
    contact = world.contact("N-1", other, msdynce_isactivecustomer=True, **world.euro())
    enumerate_and_wait(world, "contacts-to-customer")
    rejected = only_rejected(world)
    assert (rejected.template, rejected.row) == ("contacts-to-customer", contact)
    for named in (f"account {account} (template 'accounts')", f"contact {contact}"):
        assert named in rejected.reason
    assert world.customer("N-1")["PartyType"] == "Organization"

    assert world.dataverse.delete(f"accounts({account})").ok
    enumerate_and_wait(world, "accounts")
    retry_and_wait(world, "contacts-to-customer")
    assert list(rejected_rows(world.app.runtime)) == []
    assert world.customer("N-1")["PersonFirstName"] == "Kari"


def test_functions_that_run_at_once_give_each_number_to_one_row(world):
    numbers = [f"N-{number}" for number in range(8)]
    accounts = {world.account(number, name=f"Account {number}"): number for number in numbers}
    account = next(iter(accounts))
    contacts = {
        world.contact(
            number, account, firstname=number, msdynce_isactivecustomer=True, **world.euro()
        ): number
        for number in numbers
    }
    enumerate_and_wait(world, "accounts", "contacts-to-customer")
    rejected = list(rejected_rows(world.app.runtime))
    losers = {found.row: found for found in rejected}
    assert {found.code for found in rejected} == {"number-taken"}
    assert sorted((accounts | contacts)[row] for row in losers) == numbers
    winners = {number: row for row, number in (accounts | contacts).items() if row not in losers}
    for number, row in winners.items():
        customer = world.customer(number)
        if row in accounts:
            assert customer["OrganizationName"] == f"Account {number}"
        else:
            assert customer["PersonFirstName"] == number
        loser = next(found for found in rejected if (accounts | contacts)[found.row] == number)
        assert row in loser.reason
    assert len(world.sandbox.fno_records("CustomersV2")) == len(numbers)
