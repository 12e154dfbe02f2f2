"""An F&O that people or another integration have filled: adopted, never doubled, never emptied."""

import time

from p2c.sandbox import Fault

FAX = "set by people"


def test_equal_records_cost_no_write_and_others_only_what_differs(company) -> None:
    for number in ("A1", "A2"):
        company.account(number, telephone1="1", description="one\r\ntwo", creditlimit=5)
        company.customer_in_fno(
            number,
            PrimaryContactPhone="1" if number == "A1" else "2",
            SalesMemo="one\r\ntwo",
            CreditLimit=5,
            AddressLocationRoles="Business",
            SiteId="1",
            WarehouseId="13",
            LanguageId="en-us",
            AddressDescription=f"Name {number}",
            DeliveryAddressDescription=f"Name {number}",
            IsExternallyMaintained="Yes",
            PrimaryContactFax=FAX,
        )
    before, writes = company.customers(), company.fno_writes()
    done = company.run("accounts")
    assert company.counts(done, "accounts") == {"read": 2, "updated": 1, "unchanged": 1}
    assert company.fno_writes() == writes + 1
    after = company.customers()
    assert after["A1"] == before["A1"]
    changed = {name for name, value in after["A2"].items() if before["A2"][name] != value}
    assert changed == {"PrimaryContactPhone", "RecVersion"}


def test_what_people_filled_in_fno_stays_whatever_went_wrong_meanwhile(company) -> None:
    company.customer_in_fno("A1", PrimaryContactFax=FAX)
    account = company.account("A1")
    company.run("accounts")
    # An update of which nobody knows whether it was carried out, then a row that is rejected.
    company.change("accounts", account, name="New name")
    company.sandbox.add_faults(Fault(effect="reset_after", service="fno", path="$batch"))
    company.run("accounts", P2C_SETTLE_SECONDS="5")
    company.change("accounts", account, address1_country="Atlantis")
    deadline = time.monotonic() + 30
    while any("unsettled_until" in entry for _, entry in company.tables()):
        assert time.monotonic() < deadline
        company.run("accounts", status=None)
    company.run("accounts", status=None)
    company.change("accounts", account, address1_country="Norge")
    company.run("accounts", status=None)
    customer = company.customers()["A1"]
    assert customer["OrganizationName"] == "New name"
    assert customer["AddressCountryRegionISOCode"] == "NO"
    assert customer["PrimaryContactFax"] == FAX


def test_force_overwrites_what_people_changed_and_nothing_else_does(company) -> None:
    account = company.account("A1", fax="1", telephone1="2")
    company.run("accounts")
    company.change_in_fno("A1", PrimaryContactFax=FAX)
    company.change("accounts", account, telephone1="3")
    company.run("accounts", "--all-data")
    assert company.customers()["A1"]["PrimaryContactFax"] == FAX
    assert company.p2c("resync", "accounts", account, "--force").exit_code == 0
    assert company.customers()["A1"]["PrimaryContactFax"] == "1"
