"""Contacts that wait for an account go on by themselves, whatever happens meanwhile."""

from tests.acceptance.oracle import assert_in_step


def reasons(company) -> list[str]:
    done = company.p2c("status", "--json").stdout
    return [word for word in done.split('"') if word.startswith("prerequisite-")]


def test_contacts_come_before_their_account(company) -> None:
    company.contact("C1", company.account("A1"))
    assert company.counts(company.run("contacts"), "contacts") == {"read": 1, "waiting": 1}
    company.run("accounts")
    assert company.counts(company.run("contacts"), "contacts") == {"read": 1, "created": 1}
    assert_in_step(company)


def test_an_account_gets_its_number_only_later(company) -> None:
    account = company.account("gets lost")
    company.change("accounts", account, accountnumber=None)
    company.contact("C1", account)
    company.run()
    assert reasons(company) == ["prerequisite-without-number"]
    company.change("accounts", account, accountnumber="A1")
    company.run()
    assert_in_step(company)


def test_sixty_wait_for_a_refused_account_and_change_meanwhile(company) -> None:
    company.sandbox.set_switches(fno_currencies=["USD"])
    refused = company.account("A1", **company.currency("CHF"))
    other = company.account("A2")
    waiting = [company.contact(f"C{number}", refused) for number in range(60)]
    first = company.run(status=1)
    assert company.counts(first, "contacts") == {"read": 60, "waiting": 60}

    moved = {"parentcustomerid_account@odata.bind": f"/accounts({other})"}
    company.change("contacts", waiting[0], **moved)
    company.delete("contacts", waiting[1])
    company.change("contacts", waiting[2], msdynce_isactivecustomer=True)
    company.change("contacts", waiting[3], jobtitle="Boss")
    second = company.run()
    assert company.counts(second, "contacts") == {
        "read": 4,
        "created": 1,
        "skipped": 1,
        "waiting": 1,
        "deleted": 1,
    }

    company.change("accounts", refused, **company.currency("USD"))
    third = company.run()
    assert company.counts(third, "contacts") == {"read": 57, "created": 57}
    assert_in_step(company)
    idle = company.run()
    assert idle["requests"] == {"dataverse": 3, "fno": 0, "fno_operations": 0}


def test_an_account_that_fno_lost_again_is_waited_for_and_comes_back(company) -> None:
    account = company.account("A1")
    company.run()
    company.gone_in_fno("A1")
    company.contact("C1", account)
    assert company.counts(company.run("contacts"), "contacts") == {"read": 1, "waiting": 1}
    assert reasons(company) == ["prerequisite-missing"]
    company.change("accounts", account, telephone1="1")
    company.run()
    assert_in_step(company)
