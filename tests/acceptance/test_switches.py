"""However the services' manners differ between environments, F&O ends in step with Sales."""

import pytest

from tests.acceptance.oracle import assert_in_step

MANNERS = {
    "as seen most often": {},
    "of other versions": {
        "fno_missing_status": 404,
        "fno_validation_status": 500,
        "fno_change_set_status": 400,
        "fno_next_link": "skip",
        "fno_page_size": 2,
        "fno_etag_mismatch": "ignore",
        "dataverse_expired_status": 410,
        "dataverse_token_stamp": "start",
        "dataverse_page_size": 3,
        "dataverse_account_key": "Active",
    },
    "of yet others": {
        "fno_validation_status": 500,
        "fno_next_link": "skiptoken",
        "fno_page_size": 2,
        "fno_key_change": "ignore",
        "fno_trailing_spaces": "keep",
        "dataverse_expired_status": 500,
        "dataverse_annotations_lose_delta_link": True,
        "dataverse_page_size": 3,
        "dataverse_account_key": "Pending",
        "dataverse_delete_account": "remove-link",
    },
}


@pytest.mark.parametrize("manners", MANNERS.values(), ids=MANNERS)
def test_fno_ends_in_step_with_any_manners_of_the_services(company, manners) -> None:
    company.sandbox.set_switches(**manners, fno_currencies=["USD"])
    accounts = [company.account(f"A{n}", description=f"memo {n} ") for n in range(6)]
    contacts = [company.contact(f"C{n}", accounts[n % 6], jobtitle="Boss") for n in range(8)]
    buyer = company.contact("C10", msdynce_isactivecustomer=True)
    company.customer_in_fno("A0", OrganizationName="Old name")
    foreign = company.account("A77", **company.currency("CHF"))
    first = company.run(status=1)
    assert company.counts(first, "accounts") == {
        "read": 7,
        "created": 5,
        "updated": 1,
        "rejected": 1,
    }

    company.change("accounts", foreign, **company.currency("USD"))
    company.change("accounts", accounts[1], name="New", description=None)
    company.change("contacts", contacts[2], jobtitle=None, middlename="M")
    company.change("contacts", buyer, description="x")
    company.gone_in_fno("A2")
    company.change("accounts", accounts[2], telephone1="+47 1")
    company.sandbox.expire_tokens()
    company.run()
    assert_in_step(company)

    writes = company.fno_writes()
    company.run("--all-data")
    assert company.fno_writes() == writes
