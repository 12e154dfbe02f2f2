"""Writing to the simulated F&O."""

import pytest

from tests.sandbox.talk import CONTACT, CUSTOMER, infolog

ONE = "CustomersV2(dataAreaId='usmf',CustomerAccount='ACC-1')?cross-company=true"
CONTACT_ONE = (
    "CDSContactPersons(dataAreaId='usmf',ContactPersonPartyNumber='CON-1',"
    "AssociatedPartyNumber='ACC-1')?cross-company=true"
)
PERSON = {
    "dataAreaId": "usmf",
    "CustomerAccount": "CON-1",
    "PartyNumber": "CON-1",
    "PartyType": "Person",
    "PersonFirstName": "Kari",
    "PersonLastName": "Moen",
    "CustomerGroupId": "10",
    "SalesCurrencyCode": "NOK",
}


def refused(answer) -> str:
    """The infolog of a write that X++ refused."""
    assert answer.status_code == 400, answer.text
    text = infolog(answer)
    assert text.startswith("Write failed for table row of type '")
    assert text.endswith(".")
    return text


def test_a_created_record_is_answered_in_full(fno):
    answer = fno.post("CustomersV2?cross-company=true", CUSTOMER)
    assert answer.status_code == 201
    record = answer.json()
    assert record["OrganizationName"] == "Fjord Foods"
    assert record["@odata.etag"] == answer.headers["ETag"]
    assert record["NameAlias"] == "Fjord Foods"
    assert answer.headers["Location"].endswith(
        "/data/CustomersV2(dataAreaId='usmf',CustomerAccount='ACC-1')"
    )
    assert fno.get(answer.headers["Location"]).json()["CustomerAccount"] == "ACC-1"


def test_both_versions_of_the_customer_entity_show_one_record(fno):
    fno.post("CustomersV3", CUSTOMER)
    assert fno.get(ONE).json()["OrganizationName"] == "Fjord Foods"


def test_numbers_that_are_left_out_are_generated(fno):
    body = {k: v for k, v in CUSTOMER.items() if k not in {"CustomerAccount", "PartyNumber"}}
    record = fno.post("CustomersV2", body).json()
    assert record["CustomerAccount"]
    assert record["PartyNumber"]


def test_without_a_company_the_users_own_is_taken(fno):
    body = {k: v for k, v in CUSTOMER.items() if k != "dataAreaId"}
    assert fno.post("CustomersV2", body).json()["dataAreaId"] == "usmf"


def test_a_company_may_be_named_in_the_body_and_must_exist(fno):
    assert fno.post("CustomersV2", {**CUSTOMER, "dataAreaId": "DEMF"}).json()["dataAreaId"] == (
        "demf"
    )
    assert "Company 'xxxx' does not exist" in refused(
        fno.post("CustomersV2", {**CUSTOMER, "dataAreaId": "xxxx"})
    )


@pytest.mark.parametrize("number", ["ACC-1", "acc-1"])
def test_a_second_record_under_one_key_is_refused(fno, number):
    fno.post("CustomersV2", CUSTOMER)
    answer = fno.post("CustomersV2", {**CUSTOMER, "CustomerAccount": number, "PartyNumber": "P"})
    assert refused(answer) == (
        "Write failed for table row of type 'CustCustomerV2Entity'. Infolog: Info: Cannot create "
        f"a record in Customers (CustTable). Customer account: {number}.\n"
        "The record already exists.."
    )


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (
            "CustomerGroupId",
            "Local",
            "Infolog: Warning: The value 'Local' in field 'Customer group' is not found in the "
            "related table 'Customer groups'.; Warning: validateField failed on field "
            "'CustCustomerV2Entity.CustomerGroupId'.",
        ),
        ("SalesCurrencyCode", "XXX", "in field 'Currency' is not found"),
        ("LanguageId", "tlh", "in field 'Language' is not found"),
        ("SiteId", "99", "in field 'Site' is not found"),
        ("WarehouseId", "99", "in field 'Warehouse' is not found"),
        ("AddressCountryRegionISOCode", "XX", "in the related table 'Country/region'"),
        ("DeliveryAddressCountryRegionISOCode", "JA", "in the related table 'Country/region'"),
        ("OrganizationName", "x" * 101, "101 characters where 100 are allowed"),
        ("CustomerAccount", "x" * 21, "'Customer account' is too long"),
        ("CustomerGroupId", "", "Field 'Customer group' must be filled in.; Warning: validate"),
        ("SalesCurrencyCode", "", "Field 'Currency' must be filled in."),
        ("PartyType", "", "Field 'Type' must be filled in."),
        ("PartyType", "Team", "The value 'Team' in field 'Type' is not valid."),
        ("OrganizationName", "", "Field 'Name' must be filled in."),
    ],
)
def test_a_customer_with_a_bad_field_is_refused(fno, sandbox, field, value, words):
    assert words in refused(fno.post("CustomersV2", {**CUSTOMER, field: value}))
    assert sandbox.fno_records("CustomersV2") == []
    assert not [p for p in sandbox.fno_records("CDSParties") if p["PartyNumber"] == "ACC-1"]


def test_which_sites_and_languages_exist_can_be_switched(fno, sandbox):
    sandbox.set_switches(fno_sites=["99"])
    assert fno.post("CustomersV2", {**CUSTOMER, "SiteId": "99"}).status_code == 201


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("Foo", "x", "The property 'Foo' does not exist on type"),
        ("customeraccount", "x", "The property 'customeraccount' does not exist"),
        ("CreditLimit", "5", "Cannot convert a primitive value to the expected type 'Edm.Decimal'"),
        ("CreditLimit", None, "A null value was found for the property named 'CreditLimit'"),
        ("OrganizationNumberOfEmployees", 1.5, "expected type 'Edm.Int32'"),
        ("OrganizationNumberOfEmployees", True, "expected type 'Edm.Int32'"),
        ("OrganizationName", 5, "expected type 'Edm.String'"),
        ("IsExternallyMaintained", "yes", "expected type 'Microsoft.Dynamics.DataEntities.NoYes'"),
        ("IsExternallyMaintained", True, "expected type 'Microsoft.Dynamics.DataEntities.NoYes'"),
        ("AddressValidFrom", "2026-01-01", "expected type 'Edm.DateTimeOffset'"),
    ],
)
def test_a_payload_of_the_wrong_type_is_refused_before_anything_else(fno, field, value, words):
    answer = fno.post("CustomersV2", {**CUSTOMER, field: value})
    assert answer.status_code == 400
    assert words in infolog(answer)
    assert answer.json()["error"]["innererror"]["type"] == "Microsoft.OData.ODataException"


def test_null_empties_what_may_be_null(fno):
    fno.post("CustomersV2", {**CUSTOMER, "SalesMemo": "x", "IsExternallyMaintained": "Yes"})
    body = {"SalesMemo": None, "IsExternallyMaintained": None}
    assert fno.patch(ONE, body).status_code == 204
    record = fno.get(ONE).json()
    assert (record["SalesMemo"], record["IsExternallyMaintained"]) == ("", "No")


def test_an_update_changes_only_what_it_names(fno):
    fno.post("CustomersV2", {**CUSTOMER, "CreditLimit": 5})
    answer = fno.patch(ONE, {"SalesMemo": "hello "})
    assert (answer.status_code, answer.content) == (204, b"")
    record = fno.get(ONE).json()
    assert (record["SalesMemo"], record["CreditLimit"]) == ("hello", 5)


def test_blanks_at_the_end_are_kept_only_when_switched_so(fno, sandbox):
    sandbox.set_switches(fno_trailing_spaces="keep")
    fno.post("CustomersV2", {**CUSTOMER, "SalesMemo": "hello "})
    assert fno.get(ONE).json()["SalesMemo"] == "hello "


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_missing_record_is_not_created_but_refused(fno, sandbox, method, status):
    sandbox.set_switches(fno_missing_status=status)
    answer = fno.send(method, ONE, json={"SalesMemo": "x"})
    assert answer.status_code == status
    assert infolog(answer) == "No resources were found when selecting for update."


def test_a_record_of_another_company_is_missing_without_cross_company(fno):
    fno.post("CustomersV2", {**CUSTOMER, "dataAreaId": "demf"})
    other = "CustomersV2(dataAreaId='demf',CustomerAccount='ACC-1')"
    assert fno.patch(other, {"SalesMemo": "x"}).status_code == 400
    assert fno.patch(f"{other}?cross-company=true", {"SalesMemo": "x"}).status_code == 204


def test_refused_writes_may_come_as_500(fno, sandbox):
    sandbox.set_switches(fno_validation_status=500)
    assert fno.post("CustomersV2", {**CUSTOMER, "CustomerGroupId": "x"}).status_code == 500


def test_emptying_a_mandatory_field_is_refused(fno):
    fno.post("CustomersV2", CUSTOMER)
    assert "must be filled in" in refused(fno.patch(ONE, {"SalesCurrencyCode": ""}))
    assert "must be filled in" in refused(fno.patch(ONE, {"OrganizationName": ""}))
    assert fno.get(ONE).json()["OrganizationName"] == "Fjord Foods"


@pytest.mark.parametrize(("switch", "status"), [("412", 412), ("ignore", 204)])
def test_a_stale_etag_is_refused_or_ignored(fno, sandbox, switch, status):
    sandbox.set_switches(fno_etag_mismatch=switch)
    etag = fno.post("CustomersV2", CUSTOMER).headers["ETag"]
    fresh = fno.patch(ONE, {"SalesMemo": "a"}, headers={"If-Match": etag})
    assert fresh.status_code == 204
    stale = fno.patch(ONE, {"SalesMemo": "b"}, headers={"If-Match": etag})
    assert stale.status_code == status
    assert fno.patch(ONE, {"SalesMemo": "c"}, headers={"If-Match": "*"}).status_code == 204


@pytest.mark.parametrize(("switch", "status"), [("refuse", 400), ("ignore", 204)])
def test_a_key_cannot_be_changed(fno, sandbox, switch, status):
    sandbox.set_switches(fno_key_change=switch)
    fno.post("CustomersV2", CUSTOMER)
    assert fno.patch(ONE, {"CustomerAccount": "acc-1"}).status_code == 204
    assert fno.patch(ONE, {"CustomerAccount": "ACC-2"}).status_code == status
    assert fno.patch(ONE, {"PartyNumber": "ACC-2"}).status_code == status
    assert fno.get(ONE).json()["PartyNumber"] == "ACC-1"


def test_a_deleted_record_is_gone_and_its_party_stays(fno, sandbox):
    fno.post("CustomersV2", CUSTOMER)
    assert fno.delete(ONE).status_code == 204
    assert fno.get(ONE).status_code == 404
    assert "ACC-1" in {party["PartyNumber"] for party in sandbox.fno_records("CDSParties")}
    assert fno.post("CustomersV2", CUSTOMER).status_code == 201


def test_a_contact_person_needs_the_party_it_belongs_to(fno):
    assert "The value 'ACC-1' in field 'Associated party number' is not found" in refused(
        fno.post("CDSContactPersons", CONTACT)
    )
    fno.post("CustomersV2", CUSTOMER)
    record = fno.post("CDSContactPersons", CONTACT).json()
    assert (record["FirstName"], record["ContactPersonPartyType"]) == ("Kari", "Person")


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (("ContactPersonPartyNumber",), "'Contact person party number' must be filled in"),
        (("AssociatedPartyNumber",), "'Associated party number' must be filled in"),
        (("FirstName", "LastName"), "'First name' must be filled in"),
    ],
)
def test_a_contact_person_without_a_mandatory_field_is_refused(fno, missing, words):
    fno.post("CustomersV2", CUSTOMER)
    body = {name: value for name, value in CONTACT.items() if name not in missing}
    assert words in refused(fno.post("CDSContactPersons", body))


def test_a_person_can_be_contact_person_of_two_parties(fno, sandbox):
    fno.post("CustomersV2", CUSTOMER)
    fno.post("CustomersV2", {**CUSTOMER, "CustomerAccount": "ACC-2", "PartyNumber": "ACC-2"})
    fno.post("CDSContactPersons", CONTACT)
    second = fno.post("CDSContactPersons", {**CONTACT, "AssociatedPartyNumber": "ACC-2"})
    assert second.status_code == 201
    again = fno.post("CDSContactPersons", {**CONTACT, "AssociatedPartyNumber": "acc-2"})
    assert "The record already exists" in refused(again)
    assert len(sandbox.fno_records("CDSContactPersons")) == 2


def test_a_contact_person_that_becomes_a_customer_keeps_its_party(fno, sandbox):
    fno.post("CustomersV2", CUSTOMER)
    fno.post("CDSContactPersons", CONTACT)
    answer = fno.post("CustomersV2", {**PERSON, "PersonLastName": "Moen-Lien"})
    assert answer.status_code == 201
    assert fno.get(CONTACT_ONE).json()["LastName"] == "Moen-Lien"
    parties = [p for p in sandbox.fno_records("CDSParties") if p["PartyNumber"] == "CON-1"]
    assert [party["PersonLastName"] for party in parties] == ["Moen-Lien"]
    fno.patch(CONTACT_ONE, {"FirstName": "Karen"})
    customer = "CustomersV2(dataAreaId='usmf',CustomerAccount='CON-1')"
    assert fno.get(customer).json()["PersonFirstName"] == "Karen"


def test_a_party_is_of_one_type(fno):
    fno.post("CustomersV2", CUSTOMER)
    answer = fno.post("CDSContactPersons", {**CONTACT, "ContactPersonPartyNumber": "ACC-1"})
    assert "Party 'ACC-1' is of type Organization" in refused(answer)


def test_two_customers_of_a_company_cannot_be_one_party(fno):
    fno.post("CustomersV2", CUSTOMER)
    answer = fno.post("CustomersV2", {**CUSTOMER, "CustomerAccount": "ACC-2"})
    assert "with same party number as customer 'ACC-1'" in refused(answer)
    assert fno.post("CustomersV2", {**CUSTOMER, "dataAreaId": "demf"}).status_code == 201


def test_contacts_can_be_made_through_the_second_version_of_the_entity(fno):
    fno.post("CustomersV2", CUSTOMER)
    body = {
        "dataAreaId": "usmf",
        "ContactPersonPartyNumber": "CON-1",
        "AssociatedContactType": "Customer",
        "AssociatedContactNumber": "ACC-1",
        "LastName": "Moen",
    }
    assert fno.post("CDSContactPersonsV2", body).status_code == 201
    assert fno.get(CONTACT_ONE).json()["LastName"] == "Moen"
    wrong = fno.post("CDSContactPersonsV2", {**body, "AssociatedContactNumber": "none"})
    assert "is not found in the related table 'Customers'" in refused(wrong)


def test_country_ids_and_the_full_address_follow(fno):
    body = {"AddressCountryRegionISOCode": "NO", "AddressStreet": "Storgata 1"}
    record = fno.post("CustomersV2", {**CUSTOMER, **body}).json()
    assert record["AddressCountryRegionId"] == "NOR"
    assert record["FullPrimaryAddress"] == "Storgata 1\nNOR"


def test_legal_entities_are_read_only(fno):
    assert fno.post("Companies", {"DataArea": "new"}).status_code == 400


def test_a_body_that_is_no_object_is_refused(fno):
    assert "payload is not valid" in infolog(fno.post("CustomersV2", ["x"]))


def test_a_customer_group_can_be_added_once(fno):
    group = {"dataAreaId": "usmf", "CustomerGroupId": "55"}
    assert fno.post("CustomerGroups", group).status_code == 201
    assert "The record already exists" in refused(fno.post("CustomerGroups", group))
    assert fno.post("CustomersV2", {**CUSTOMER, "CustomerGroupId": "55"}).status_code == 201
